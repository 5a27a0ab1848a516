import { type Call, isUploading } from '../call.ts';
import { peerOf } from '../ip-address.ts';
import { CLIENT_DISCONNECTED, type Refusal } from '../refusal.ts';
import { Lease, type PoolName, type PoolRefusal, type Revocation, type SharedPool } from './shared-pool.ts';

/** Who holds what a call takes: its caller, once known. */
export function callerKey({ token }: Call): string {
  return `${token?.issuer} ${token?.subject}`;
}

/** Who holds what a call takes while nobody knows its caller. */
export function addressKey({ address }: Call): string {
  return peerOf(address ?? 'unknown');
}

/** An unfinished upload has done nothing yet: it may be ended so that somebody else is served. */
export function whileUploading(
  call: Call,
  pool: SharedPool,
  interrupt: (call: Call, refusal: Refusal) => void,
): Revocation {
  return {
    isRevocable: () => isUploading(call) && call.interruption === null,
    onRevoked: () => interrupt(call, revokedRefusal(pool)),
  };
}

/**
 * Takes units of a pool for a call, until it ends or gives the lease back. A call that ends while it waits, waits no more.
 */
export async function admit(
  call: Call,
  pool: SharedPool,
  key: string,
  units: number,
  revocation?: Revocation,
): Promise<Lease | Refusal> {
  const lease = new Lease(pool, key, units, revocation);
  call.leases.push(lease);
  const answer = pool.acquire(lease);
  const refusal = answer instanceof Promise ? await answer : answer;
  return refusal === null ? lease : poolRefusal(refusal);
}

/** The call gives back all that it holds, and waits for nothing more. */
export function releaseLeases(call: Call): void {
  for (const lease of call.leases.splice(0)) lease.release();
}

const UNITS: Readonly<Record<PoolName, string>> = {
  'unauthenticated-calls': 'calls of unauthenticated peers',
  calls: 'calls in flight',
  'body-memory': 'bytes of request bodies in memory',
  'read-connections': 'connections to Ideogram for reading',
  'write-connections': 'connections to Ideogram for writing',
  webhooks: 'webhooks on their way in',
};

const RETRY_AFTER_SECONDS = 1;

/** In words that say which pool, whose share of it, and when to try again. */
function poolRefusal({ pool, because, held, share, size, waitedMs }: PoolRefusal): Refusal {
  if (because === 'left') return CLIENT_DISCONNECTED;
  const who = pool === 'unauthenticated-calls' || pool === 'webhooks' ? 'This address' : 'This caller';
  const waited = waitedMs >= 1000 ? ` after a wait of ${Math.round(waitedMs / 1000)} s` : '';
  const retry = `Try again in ${RETRY_AFTER_SECONDS} s.`;
  const detail =
    because === 'share'
      ? `${who} holds ${held} of the ${size} ${UNITS[pool]}, and its share is ${share} while others want them${waited}. ${retry}`
      : `All ${size} ${UNITS[pool]} are taken by others${waited}; its share of them is ${share}. ${retry}`;
  return {
    problem: because === 'share' ? 'too-many-requests' : 'overloaded',
    reason: `${pool}-${because}`,
    detail,
    headers: { 'retry-after': String(RETRY_AFTER_SECONDS) },
    members: { pool, share, held, size },
  };
}

/** What was taken back from a call that held more than its share, so that somebody else is served. */
function revokedRefusal(pool: SharedPool): Refusal {
  return {
    problem: 'too-many-requests',
    reason: `${pool.name}-revoked`,
    detail:
      `All ${pool.size} ${UNITS[pool.name]} were taken and another caller needed one: the oldest unfinished upload of ` +
      `whoever held most was ended, and that was this one. Nothing was bought. Try again in ${RETRY_AFTER_SECONDS} s.`,
    headers: { 'retry-after': String(RETRY_AFTER_SECONDS) },
    members: { pool: pool.name, share: pool.share, size: pool.size },
  };
}

/** The turn of a piece of its body to be read did not come in time. */
export const PARSING_LATE: Refusal = {
  problem: 'too-many-requests',
  reason: 'parsing-share',
  detail: `This caller's bodies take more of the gateway's time than its share. Try again in ${RETRY_AFTER_SECONDS} s.`,
  headers: { 'retry-after': String(RETRY_AFTER_SECONDS) },
  members: { pool: 'parsing' },
};
