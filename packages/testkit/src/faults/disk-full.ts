import { execFileSync } from 'node:child_process';
import { chmodSync, closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startLocalPostgres } from '@ideogate/local-postgres';
import type { Fault, OwnServer } from './fault.ts';
import type { Scene } from './scene.ts';

/** A new cluster takes 60 MB of it. */
const DISK_MB = 160;
const MEGABYTE = Buffer.alloc(1024 * 1024);

/** A real file system of a small size, filled to its last block: first rows find no room, then the server's log. */
export const DISK_FULL: Fault = {
  name: 'disk full',
  long: true,
  impossible: () =>
    process.platform === 'linux' && process.getuid?.() === 0
      ? null
      : 'only root on Linux can mount a small file system for it',
  server: smallServer,
  async play(scene) {
    await scene.gateway();
    const load = scene.load(8);
    await scene.madeMore(50);
    const ballast = join(scene.postgres.folder, 'ballast');
    fill(ballast);
    const refused = () => scene.callers.made.some(({ answer }) => answer?.status === 503);
    await scene.until('a call is refused for want of room', async () => refused());
    if (scene.random.number() < 0.5) await outgrowLog(scene);
    await delay(2_000);
    rmSync(ballast);
    await scene.served();
    await load.stop();
  },
};

async function smallServer(): Promise<OwnServer> {
  const disk = mkdtempSync(join(tmpdir(), 'ideogate-small-disk-'));
  chmodSync(disk, 0o755);
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MB}m,mode=755`, 'ideogate-faults', disk]);
  const unmount = () => {
    execFileSync('umount', [disk]);
    rmSync(disk, { recursive: true });
  };
  try {
    const folder = join(disk, 'postgres');
    mkdirSync(folder);
    const postgres = await startLocalPostgres({ folder, log: () => undefined });
    return {
      postgres,
      async end() {
        await postgres.stop();
        unmount();
      },
    };
  } catch (error) {
    unmount();
    throw error;
  }
}

/** Writes zeros until the file system has no block left. */
function fill(path: string): void {
  const file = openSync(path, 'w');
  try {
    for (let piece = MEGABYTE; piece.length >= 4096; piece = piece.subarray(0, piece.length / 2))
      fillBy(file, piece);
  } finally {
    closeSync(file);
  }
}

function fillBy(file: number, piece: Buffer): void {
  try {
    while (writeSync(file, piece) === piece.length);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
  }
}

/** The next segment of the write-ahead log finds no room: the server ends itself and can't recover before there is some. */
async function outgrowLog(scene: Scene): Promise<void> {
  await scene.sql('SELECT pg_switch_wal()').catch(() => undefined);
  await scene.sql('CHECKPOINT').catch(() => undefined);
}
