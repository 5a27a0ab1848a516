import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FolderInUseError, startLocalPostgres, stopLeftoverPostgres } from '@ideogate/local-postgres';
import type { TestProject } from 'vitest/node';
import { forgetShell } from './shell.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Superuser URL of the run's Postgres, database `postgres`. */
    postgresUrl: string;
    /** Null on a machine without Redis. */
    redisUrl: string | null;
  }
}

const PREFIX = 'ideogate-tests-';

/** One Postgres for the whole run, in a temporary folder that goes with it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  forgetShell();
  await removeLeftovers();
  const folder = mkdtempSync(join(tmpdir(), PREFIX));
  // mkdtemp makes it 0700, and as root the server runs under another account.
  chmodSync(folder, 0o755);
  const postgres = await startLocalPostgres({
    folder: join(folder, POSTGRES),
    log: (line) => console.warn(`test database: ${line}`),
  });
  project.provide('postgresUrl', postgres.superuserUrl('postgres'));
  project.provide('redisUrl', await redisOnThisMachine());
  return async () => {
    await postgres.stop();
    rmSync(postgres.folder, { recursive: true, force: true });
    rmSync(folder, { recursive: true, force: true });
  };
}

const POSTGRES = 'postgres';

/** A run that was killed leaves its Postgres behind: the next one ends it. */
async function removeLeftovers(): Promise<void> {
  for (const entry of readdirSync(tmpdir())) {
    const folder = join(tmpdir(), entry);
    // No lock yet: another run is making it in this moment. It costs an empty folder to be wrong.
    if (!entry.startsWith(PREFIX) || !existsSync(join(folder, POSTGRES, 'lock'))) continue;
    try {
      await stopLeftoverPostgres(join(folder, POSTGRES), () => undefined);
      rmSync(folder, { recursive: true, force: true });
    } catch (error) {
      if (error instanceof FolderInUseError) continue;
      console.warn(`${folder} is left from an earlier test run and can't be removed: ${String(error)}`);
    }
  }
}

/** Looks, once per run, whether a Redis answers where it would on a developer's machine. */
function redisOnThisMachine(): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port: 6379, timeout: 1_000 });
    const found = (answer: boolean): void => {
      socket.destroy();
      resolve(answer ? 'redis://127.0.0.1:6379' : null);
    };
    socket.once('connect', () => socket.write('PING\r\n'));
    socket.once('data', (bytes) => found(bytes.toString('latin1').startsWith('+PONG')));
    socket.once('timeout', () => found(false));
    socket.once('error', () => found(false));
    socket.once('close', () => found(false));
  });
}
