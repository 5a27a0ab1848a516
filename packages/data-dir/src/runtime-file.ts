import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type EnvironmentName, errorCode } from '@ideogate/contract';
import { DataDirError } from './data-dir-error.ts';
import { writePrivateFile } from './private-file.ts';

/** `ready.json`: how commands find the product that runs on a data folder. It holds no secret. */
export interface RuntimeFile {
  readonly pid: number;
  readonly environment: EnvironmentName;
  readonly gateway: string;
  readonly issuer: string;
  /** Null when the upstream is not the emulator. */
  readonly emulator: string | null;
  /** Address of the metrics, on the operations port; health and readiness are beside them. */
  readonly metrics: string;
}

const NAME = 'ready.json';

/** Says that the product is ready, and where its parts are; only this account can read it. */
export function writeRuntimeFile(data: string, runtime: RuntimeFile): void {
  writePrivateFile(join(data, NAME), `${JSON.stringify(runtime, null, 2)}\n`);
}

/** Says that it is ready no more. */
export function removeRuntimeFile(data: string): void {
  rmSync(join(data, NAME), { force: true });
}

/** Whether a product says that it runs on this data folder. */
export function isRunning(data: string): boolean {
  return existsSync(join(data, NAME));
}

/** @throws DataDirError when no product says that it runs on this data folder */
export function readRuntimeFile(data: string): RuntimeFile {
  const file = join(data, NAME);
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as RuntimeFile; // as: written by writeRuntimeFile, whole or not at all
  } catch (error) {
    const code = errorCode(error);
    throw new DataDirError(
      'not-running',
      `${file} ${code === 'ENOENT' ? 'is not there' : `cannot be read (${code})`}: is Ideogate running? Start it with pnpm start, or name its data folder in IDEOGATE_DATA.`,
    );
  }
}
