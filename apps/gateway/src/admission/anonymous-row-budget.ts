import { peerOf } from '../ip-address.ts';

/**
 * What refusals without a valid token may take of the disk. The limit per address stops one peer; this stops as many of
 * them as there are addresses. What finds no room is counted exactly, and has no row and no line in the log.
 */
export interface AnonymousRowBudget {
  /** Whether so many bytes more may be written of what an address sent; they are spent then. */
  readonly spend: (address: string | null, bytes: number) => boolean;
}

/** An address' part of what is there when nothing was spent. */
const PART = 1 / 8;
/** Kept for addresses that have spent little. */
const RESERVE = 1 / 4;
/** How much is little. */
const LITTLE = 1 / 256;
/** Addresses that are remembered; of more than that, those longest silent are taken for new ones. */
const MOST_ADDRESSES = 10_000;
const HOUR_MS = 3_600_000;

/** What is spent, and given back steadily. */
interface Account {
  readonly spent: number;
  /** Monotonic milliseconds. */
  readonly at: number;
}

/**
 * Half of an hour's bytes are there at once, and the other half come in over the hour: no hour has more than all, and
 * one that begins with a flood goes on having rows. No address has more than its part of that, and the last quarter is
 * for those that have spent little: who is noisy leaves rows for the others.
 * @param now monotonic milliseconds
 */
export function createAnonymousRowBudget(
  bytesPerHour: number,
  now: () => number = () => performance.now(),
): AnonymousRowBudget {
  const all = bytesPerHour / 2;
  let whole: Account = { spent: 0, at: now() };
  const accounts = new Map<string, Account>();
  /** Given back at such a rate that all of it comes back in an hour. */
  const spentOf = ({ spent, at }: Account, most: number) =>
    Math.max(0, spent - (most * (now() - at)) / HOUR_MS);
  return {
    spend(address, bytes) {
      const peer = peerOf(address ?? 'unknown');
      const before = accounts.get(peer);
      const own = before === undefined ? 0 : spentOf(before, all * PART);
      const total = spentOf(whole, all);
      const most = own <= all * LITTLE ? all : all * (1 - RESERVE);
      if (total + bytes > most || own + bytes > all * PART) return false;
      whole = { spent: total + bytes, at: now() };
      // A Map keeps the order of insertion: the first is the one that was silent for longest.
      accounts.delete(peer);
      accounts.set(peer, { spent: own + bytes, at: now() });
      if (accounts.size > MOST_ADDRESSES) accounts.delete(accounts.keys().next().value ?? '');
      return true;
    },
  };
}
