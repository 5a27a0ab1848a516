import { EMPTY_CHAIN } from '../chain/chain.ts';
import type { EventOfLine } from '../chain/ndjson.ts';
import type { Month } from '../month.ts';
import type { Anomaly } from './anomalies.ts';

/** How far a chain has been followed. Plain data, so that a verification can be taken up again. */
export interface ChainState {
  readonly head: ChainHead;
  /** What is wrong with the event at the head, or null. */
  doubt: Doubt | null;
  /** Its writer has said that nothing follows. */
  closed: boolean;
  /** The last event not after the one checkpoint that fixes all chains by a digest alone; null where none is needed. */
  chainHeadAt: { readonly seq: number; readonly hash: string } | null;
  /** Events that haven't come. */
  holes: readonly Hole[];
  /** Stretches that are kept elsewhere, and were not looked at. */
  archived: readonly Archived[];
  /** Events that came again, each chained to the one before: what they are shows at the last of them. */
  replayedRun: ReplayedRun | null;
  readonly anomalies: Anomaly[];
}

interface ChainHead {
  seq: number;
  /** What the next event must name. */
  hash: string;
  /** What the event at `seq` must name. */
  prevHash: string;
  /** Microseconds since the Unix epoch. */
  at: number;
}

interface Doubt {
  /** Its hash is not its own, which is seen already. */
  readonly hashMismatch: boolean;
  /** What the next event may name besides: rivals, or the true hash where only the column was changed. */
  readonly acceptablePrevHashes: readonly string[];
}

interface Hole {
  readonly from: number;
  readonly to: number;
  /** The hash that the first missing event must name. */
  readonly after: string;
  /** The hash that the last missing event must have. */
  readonly before: string;
  /** Times of the events around it, microseconds. */
  readonly between: readonly [number, number];
}

interface Archived {
  readonly month: Month;
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** When the month began, and the next one, microseconds. */
  readonly from: number;
  readonly to: number;
}

interface ReplayedRun {
  readonly from: number;
  readonly seq: number;
  readonly hash: string;
}

const MAX_HOLES = 1_000;

/** A chain of which nothing was seen. */
export function newChain(): ChainState {
  return {
    head: { seq: 0, hash: EMPTY_CHAIN.hash, prevHash: '', at: 0 },
    doubt: null,
    closed: false,
    chainHeadAt: null,
    holes: [],
    archived: [],
    replayedRun: null,
    anomalies: [],
  };
}

/** Notes that everything up to `seq` is missing. @param at time of the event there, microseconds */
export function addHole(chain: ChainState, seq: number, before: string, at: number): void {
  const { head, holes } = chain;
  if (holes.length >= MAX_HOLES) return;
  const hole = { from: head.seq + 1, to: seq - 1, after: head.hash, before, between: [head.at, at] } as const;
  chain.holes = [...holes, hole];
}

/** Puts an event into the hole it is missing from. @returns false when it fits none */
export function fillHole(chain: ChainState, { seq, hash, prevHash }: EventOfLine): boolean {
  const index = chain.holes.findIndex(({ from, to }) => from <= seq && seq <= to);
  const hole = chain.holes[index];
  if (hole === undefined) return false;
  if (seq === hole.from && prevHash !== hole.after) return false;
  if (seq === hole.to && hash !== hole.before) return false;
  const parts = [
    { ...hole, to: seq - 1, before: prevHash },
    { ...hole, from: seq + 1, after: hash },
  ];
  chain.holes = chain.holes.toSpliced(index, 1, ...parts.filter(({ from, to }) => from <= to));
  return true;
}
