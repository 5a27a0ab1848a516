import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { onPath } from './local-postgres-error.ts';

/** Postgres listens here and nowhere else. */
export const HOST = '127.0.0.1';

/** The port kept in the folder when it is free, else another free one, kept from now on. */
export async function keptPort(folder: string): Promise<number> {
  const path = join(folder, 'port');
  const kept = readPort(path);
  if (kept !== null && (await isFree(kept))) return kept;
  return newPort(folder);
}

/** A free port, kept in the folder from now on. */
export async function newPort(folder: string): Promise<number> {
  const port = await listenOnce(0);
  if (port === null) throw new Error('no free port on 127.0.0.1');
  const path = join(folder, 'port');
  onPath('write', path, () => writeFileSync(path, `${port}\n`));
  return port;
}

/** Whether this port could be listened on just now. */
export async function isFree(port: number): Promise<boolean> {
  return (await listenOnce(port)) !== null;
}

function readPort(path: string): number | null {
  try {
    const port = Number(readFileSync(path, 'utf8').trim());
    return Number.isInteger(port) && port > 0 && port < 65_536 ? port : null;
  } catch {
    return null;
  }
}

function listenOnce(port: number): Promise<number | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(null));
    server.listen({ host: HOST, port, exclusive: true }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : null));
    });
  });
}
