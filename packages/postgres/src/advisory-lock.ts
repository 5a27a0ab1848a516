import { createHash } from 'node:crypto';
import type { Session } from './session.ts';

/** An advisory lock of Postgres: one key of 64 bits, or two of 32, which never meet one of the others. */
export type AdvisoryLock = bigint | readonly [number, number];

/** A lock with two keys, out of words of four letters each. */
export function lockNamed(first: string, second: string): AdvisoryLock {
  return [Buffer.from(first).readInt32BE(), Buffer.from(second).readInt32BE()];
}

/** A lock with one key, out of a text of any length. */
export function lockOfText(text: string): bigint {
  return createHash('sha256').update(text).digest().readBigInt64BE(0);
}

/** Takes a lock for as long as the session lives, if nobody else has it. */
export async function tryLock(session: Session, lock: AdvisoryLock): Promise<boolean> {
  const [keys, values] =
    typeof lock === 'bigint' ? ['$1::bigint', [lock.toString()]] : ['$1::int, $2::int', lock];
  const [row] = await session.rows<{ mine: boolean }>(`SELECT pg_try_advisory_lock(${keys}) AS mine`, values);
  return row?.mine === true;
}

/** Without this the server would hold the locks of a host that lost its power for two hours. */
export async function noticeLostHosts(session: Session): Promise<void> {
  await session.query({
    text: `SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3`,
  });
}
