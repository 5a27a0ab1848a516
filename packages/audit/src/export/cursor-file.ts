import { open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Position, Positions } from './cursors.ts';
import { TargetError } from './target.ts';

/** How far an export to a file or a pipe has come. */
export interface Cursor {
  /** Length of the file up to where it is known to be whole; null for a pipe. */
  readonly bytes: number | null;
  readonly positions: Positions;
}

/** Null when there is none. @throws TargetError when the file isn't a cursor */
export async function readCursor(file: string): Promise<Cursor | null> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
  const cursor = parse(text);
  if (cursor === null)
    throw new TargetError(
      `${file} is not a cursor that an export left: restore it, or remove it to begin anew`,
    );
  return cursor;
}

/** Whole or not at all, and on disk when it returns. */
export async function writeCursor(file: string, { bytes, positions }: Cursor): Promise<void> {
  const list = [...positions].map(([writer, { seq, atMicros }]) => [writer, seq, atMicros.toString()]);
  const temporary = `${file}.tmp`;
  const handle = await open(temporary, 'w', 0o600);
  try {
    await handle.writeFile(`${JSON.stringify({ bytes, positions: list })}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, file);
  await syncFolder(file);
}

/** The name of a new file is on disk only when its folder is. */
async function syncFolder(file: string): Promise<void> {
  const folder = await open(dirname(file), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

const WRITER = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function parse(text: string): Cursor | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null || !('bytes' in value) || !('positions' in value))
    return null;
  const { bytes, positions: list } = value;
  if ((bytes !== null && !isCount(bytes)) || !Array.isArray(list)) return null;
  const positions = new Map<string, Position>();
  for (const entry of list as unknown[]) {
    const [writer, seq, atMicros] = Array.isArray(entry) ? (entry as unknown[]) : [];
    if (typeof writer !== 'string' || !isCount(seq) || typeof atMicros !== 'string') return null;
    if (!WRITER.test(writer) || !/^[0-9]{1,16}$/.test(atMicros)) return null;
    positions.set(writer, { seq, atMicros: BigInt(atMicros) });
  }
  return { bytes, positions };
}
