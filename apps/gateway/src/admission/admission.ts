import type { GatewayConfig } from '../config.ts';
import { LoopTime } from './loop-time.ts';
import { LoopTurns } from './loop-turns.ts';
import { PacedLine } from './paced-line.ts';
import { type PoolName, type SharedResource, SharedPool } from './shared-pool.ts';

/** What callers share, and by whom it is held: callers (issuer and subject), and addresses until the caller is known. */
export interface Admission {
  /** Calls that are not authenticated yet, by address. */
  readonly unauthenticated: SharedPool;
  /** Calls in flight, by caller. */
  readonly calls: SharedPool;
  /** Bytes of request bodies in memory, by caller. */
  readonly bodyMemory: SharedPool;
  /** Connections to the upstream for calls that change nothing, by caller. */
  readonly readConnections: SharedPool;
  /** Connections to the upstream for all others, by caller. */
  readonly writeConnections: SharedPool;
  /** Webhooks whose bodies come in, by address. */
  readonly webhooks: SharedPool;
  /** Turns of the event loop in which requests begin, by address. */
  readonly arrivals: LoopTurns;
  /** Bytes to be read off what was refused, by address. */
  readonly discards: PacedLine;
  /** Turns in which tokens not seen before are verified of addresses beyond their limit, by address. */
  readonly newTokens: PacedLine;
  /** The event loop's time for reading bodies, by caller. */
  readonly parsing: LoopTime;
}

/** Requests that begin in one turn of the event loop: a millisecond of work. A call of a neighbour takes some eight turns. */
const REQUESTS_PER_TURN = 2;

/** Bytes of refused bodies that are read off. */
const DISCARDS = { perSecond: 32_000_000, atOnce: 1_000_000 };

/** Tokens not seen before, verified in a second: each takes some 0.05 ms of the loop, and 0.1 ms of another thread. */
const NEW_TOKENS = { perSecond: 1000, atOnce: 20 };

/** @param onDone told how each claim went, and how long it waited, milliseconds */
export function createAdmission(
  { limits, upstream }: GatewayConfig,
  onDone: (pool: SharedResource['name'], how: string, waitedMs: number) => void,
): Admission {
  const pool = (name: PoolName, size: number, waitMs: number = limits.queueMs) =>
    new SharedPool(name, { size, waitMs, onDone: (how, waitedMs) => onDone(name, how, waitedMs) });
  return {
    // Nobody waits before it is known who it is: what it would wait in could be filled by anybody.
    unauthenticated: pool('unauthenticated-calls', limits.maxInFlight, 0),
    calls: pool('calls', limits.maxInFlight),
    bodyMemory: pool('body-memory', limits.maxBodyMemoryBytes),
    readConnections: pool('read-connections', upstream.readConnections),
    writeConnections: pool('write-connections', upstream.connections),
    webhooks: pool('webhooks', limits.maxWebhooks, 0),
    arrivals: new LoopTurns(REQUESTS_PER_TURN),
    discards: new PacedLine(DISCARDS.perSecond, DISCARDS.atOnce),
    newTokens: new PacedLine(NEW_TOKENS.perSecond, NEW_TOKENS.atOnce),
    parsing: new LoopTime(limits.queueMs, (how, waitedMs) => onDone('parsing', how, waitedMs)),
  };
}

/** All that has units, for the metrics. */
export function resourcesOf(admission: Admission): readonly SharedResource[] {
  return Object.values(admission).filter((part) => part instanceof SharedPool || part instanceof LoopTime);
}
