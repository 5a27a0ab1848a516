import { readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { LocalPostgresError } from './local-postgres-error.ts';

/** The account Postgres runs under, where it isn't our own. */
export interface ServerAccount {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/**
 * Postgres refuses to run as root, so root gives it to an account that is there already (`nobody`): adding one
 * would change the machine for good. Null: we aren't root, and Postgres runs as we do.
 */
export function serverAccount(): ServerAccount | null {
  if (process.getuid?.() !== 0) return null;
  const nobody = accounts().find(({ name }) => name === 'nobody');
  if (nobody === undefined) {
    throw new LocalPostgresError(
      'Postgres refuses to run as root, and this machine has no account "nobody" to run it under: start as an ordinary user, or set DATABASE_URL.',
    );
  }
  return nobody;
}

/**
 * The account that owns `path`, where root should go on using it: a cluster that an ordinary user made stays
 * usable for that user after somebody once started as root.
 */
export function ownerOf(path: string): ServerAccount {
  const { uid, gid } = statSync(path);
  return { name: accounts().find((account) => account.uid === uid)?.name ?? `uid ${uid}`, uid, gid };
}

function accounts(): readonly ServerAccount[] {
  return readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .flatMap((line) => {
      const [name, , uid, gid] = line.split(':');
      if (name === undefined || uid === undefined || gid === undefined || line.startsWith('#')) return [];
      // macOS writes nobody's uid as -2; the kernel knows it as an unsigned number.
      return [{ name, uid: Number(uid) >>> 0, gid: Number(gid) >>> 0 }];
    });
}

/**
 * The first folder on the way down to `path` (itself included, which must exist) that the account may not pass,
 * or null when it reaches it. Modes only: an ACL or a security module can still say no, and Postgres then says so.
 */
export function barrier(path: string, account: ServerAccount): string | null {
  const parent = dirname(path);
  const above = parent === path ? null : barrier(parent, account);
  if (above !== null) return above;
  const { mode, uid, gid } = statSync(path);
  const shift = uid === account.uid ? 6 : gid === account.gid ? 3 : 0;
  return ((mode >> shift) & 1) === 1 ? null : path;
}
