import type { ChainRange } from '../archive/archive-file.ts';
import type { EventOfLine } from '../chain/ndjson.ts';
import { ownText } from '../chain/own-text.ts';
import { type Month, startOf } from '../month.ts';
import { isoFromMicros } from '../timestamp.ts';
import { allOf, type Anomaly, lastOf, MAX_ANOMALIES } from './anomalies.ts';
import { addHole, type ChainState, fillHole, newChain } from './chain-state.ts';
import { type Expected, growsWithin } from './expected.ts';
import { type FixedPoints, shortened } from './fixed-points.ts';
import { hashOfForm, originOf } from './origins.ts';

/** Whose event comes next, most often: a chain, and what checkpoints say of it. */
interface Followed {
  readonly writer: string;
  readonly chain: ChainState;
  readonly points: FixedPoints | undefined;
  /** The last event that the last checkpoint knows, where there is one that knows all chains. */
  readonly known: number;
}

/** All chains by their writers, as a verification that is stopped keeps them. */
export type ChainsState = readonly (readonly [string, ChainState])[];

const MAX_RECENT = 20_000;
const MAX_RIVALS = 1_000;
/** For comparing each with each. */
const MAX_FORMS = 64;

/**
 * The first pass: follows every chain, event by event, in the order of `seq` for each writer, and notes what doesn't
 * fit. Memory grows with chains and with anomalies, not with events.
 */
export class EventCheck {
  readonly #expected: Expected;
  readonly #chains: Map<string, ChainState>;
  #environment: string | null;
  #followed: Followed | null = null;
  #kept: number;
  #dropped: number;
  /** The last lines, where lines may come again: place to hash. */
  readonly #recent = new Map<string, string>();

  /** @param dropped how many anomalies were not kept, of a verification that is gone on with */
  constructor(expected: Expected, state: ChainsState = [], dropped = 0) {
    this.#expected = expected;
    this.#chains = new Map(state);
    this.#environment = expected.environment;
    this.#kept = state.reduce((sum, [, { anomalies }]) => sum + anomalies.length, 0);
    this.#dropped = dropped;
  }

  get chains(): ReadonlyMap<string, ChainState> {
    return this.#chains;
  }

  /** How many anomalies were seen beyond those kept. */
  get dropped(): number {
    return this.#dropped;
  }

  /** To be called when no more events come. */
  end(): void {
    for (const chain of this.#chains.values()) this.#endRun(chain);
  }

  /** @returns whether it is new: neither one that came before, nor what looks like one until its run has ended */
  take(event: EventOfLine): boolean {
    const { chain } = this.#follow(event.writer, event);
    if (chain.archived.length > 0) this.#compareTimes(chain, event);
    // The hash as it was made here: that of the event is a piece of all that was read with it.
    const hash = hashOfForm(event.form);
    const sound = hash === event.hash;
    if (sound && chain.anomalies[0]?.kind === 'unopened') chain.anomalies[0].sound = true;
    let isNew = true;
    const { head, closed } = chain;
    if (sound && event.seq === head.seq + 1 && event.prevHash === head.hash && !closed)
      this.#accept(event, hash);
    else isNew = this.#takeOdd(chain, event, hash, sound);
    this.#environment ??= event.environment;
    if (event.environment !== this.#environment && sound) this.#seeEnvironment(chain, event);
    if (this.#expected.repeats) this.#remember(event, sound ? hash : ownText(event.hash));
    return isNew;
  }

  /**
   * A part of a chain that is kept elsewhere and not looked at: what follows it hangs on its last event.
   * @param month that its events are said to be of
   * @param settled the checkpoint by which all of the month was fixed, if there is one
   */
  skip(
    { writer, firstSeq, firstPrevHash, lastSeq, lastHash }: ChainRange,
    month: Month,
    settled: number | undefined,
  ): void {
    const { chain, points } = this.#follow(writer);
    const { head } = chain;
    if (lastSeq <= head.seq) return;
    const [from, to] = [Number(startOf(month)), Number(startOf(month, 1))];
    const archived = { month, firstSeq, lastSeq, from, to };
    chain.archived = [...chain.archived, archived];
    const point = points?.firstFrom(lastSeq);
    if (settled !== undefined && (point === undefined || point.number > settled))
      this.#contradict(chain, archived, 'no checkpoint of that time fixes them');
    if (firstSeq > head.seq + 1) addHole(chain, firstSeq, firstPrevHash, from);
    else if (firstPrevHash !== head.hash) this.#see(chain, { kind: 'archived-unlinked', seq: firstSeq });
    if (chain.anomalies[0]?.kind === 'unopened') chain.anomalies[0].sound = true;
    Object.assign(head, { seq: lastSeq, hash: lastHash, at: Math.max(head.at, to - 1) });
    chain.doubt = null;
    this.#compareWithCheckpoint(chain, points, lastHash);
  }

  #see(chain: ChainState, anomaly: Anomaly): void {
    if (this.#kept >= MAX_ANOMALIES) {
      this.#dropped += 1;
      return;
    }
    this.#kept += 1;
    chain.anomalies.push(anomaly);
  }

  #follow(writer: string, first?: EventOfLine): Followed {
    if (this.#followed?.writer === writer) return this.#followed;
    const { fixed, last } = this.#expected;
    const points = fixed.get(writer);
    const known = last === null ? Number.MAX_SAFE_INTEGER : (last.heads.get(writer)?.seq ?? 0);
    const chain = this.#chains.get(writer) ?? this.#begin(writer, points, first);
    this.#followed = { writer, chain, points, known };
    return this.#followed;
  }

  #begin(writer: string, points: FixedPoints | undefined, first?: EventOfLine): ChainState {
    const chain = newChain();
    this.#chains.set(writer, chain);
    if (first === undefined) return chain;
    const { seq, kind, result, prevHash } = first;
    if (seq === 1 && !(kind === 'notice' && result === 'writer-opened'))
      this.#see(chain, { kind: 'unopened', seq, sound: false });
    const { months } = this.#expected;
    if (months === null || !(seq > 1)) return chain;
    // It may have begun before them, but not with what it grew by within one.
    Object.assign(chain.head, { seq: seq - 1, hash: prevHash });
    const point = points?.last((each) => each.seq < seq && growsWithin(months, each));
    if (point !== undefined)
      this.#see(chain, { kind: 'beheaded', seq: point.seq, to: seq - 1, number: point.number });
    return chain;
  }

  #accept(event: EventOfLine, hash: string): void {
    const { chain, points, known } = this.#followed as Followed; // as: `take` has just set it
    const { head } = chain;
    const { seq, at } = event;
    if (seq > known) this.#seeUnknown(chain, event);
    head.prevHash = seq === head.seq + 1 ? head.hash : event.prevHash;
    head.seq = seq;
    head.hash = hash;
    head.at = at;
    if (chain.doubt !== null) chain.doubt = null;
    if (event.kind === 'notice' && event.result === 'writer-closed') chain.closed = true;
    const { chainHeadsAt } = this.#expected;
    if (chainHeadsAt !== null && at <= chainHeadsAt) chain.chainHeadAt = { seq, hash };
    this.#compareWithCheckpoint(chain, points, event.hash);
  }

  #compareWithCheckpoint(chain: ChainState, points: FixedPoints | undefined, hash: string): void {
    const { seq } = chain.head;
    const point = points?.at(seq);
    if (point === undefined || point.hash === shortened(hash)) return;
    if (lastOf(chain.anomalies, 'contradicted') !== undefined) return;
    const missing = (place: number) => chain.holes.some(({ from, to }) => from <= place && place <= to);
    const after = points?.last((each) => each.seq < seq && !missing(each.seq))?.seq ?? 0;
    this.#see(chain, { kind: 'contradicted', seq, number: point.number, after });
  }

  /** An event that doesn't simply follow. @returns whether it is new */
  #takeOdd(chain: ChainState, event: EventOfLine, hash: string, sound: boolean): boolean {
    const { head, doubt } = chain;
    const { seq, prevHash } = event;
    if (!Number.isSafeInteger(seq) || seq < 1) {
      this.#see(chain, { kind: 'impossible-seq', seq: null });
      return true;
    }
    if (seq <= head.seq) return this.#takeBehind(chain, event, hash, sound);
    if (chain.closed) {
      this.#see(chain, { kind: 'after-closing', seq });
      return true;
    }
    const linked = prevHash === head.hash || doubt?.acceptablePrevHashes.includes(prevHash) === true;
    const hole = seq > head.seq + 1;
    if (hole) addHole(chain, seq, prevHash, event.at);
    if (!sound) this.#takeMismatched(chain, event, hash, linked);
    else {
      if (!hole && !linked && doubt?.hashMismatch !== true)
        this.#see(chain, { kind: 'unlinked', seq: head.seq });
      this.#accept(event, hash);
    }
    return true;
  }

  /** An event whose hash isn't that of its columns. @param actual what it should be */
  #takeMismatched(chain: ChainState, event: EventOfLine, actual: string, linked: boolean): void {
    const { seq } = event;
    const origin = originOf(event);
    const hash = ownText(event.hash);
    this.#accept(event, hash);
    chain.doubt = { hashMismatch: true, acceptablePrevHashes: origin === null ? [actual] : [] };
    if (origin === null) {
      const form = allOf(chain.anomalies, 'mismatched').length < MAX_FORMS ? event.form : null;
      this.#see(chain, { kind: 'mismatched', seq, hash, form, detached: !linked });
      return;
    }
    const by = origin - seq;
    const run = lastOf(chain.anomalies, 'displaced');
    if (run?.to === seq - 1 && run.by === by) run.to = seq;
    else this.#see(chain, { kind: 'displaced', seq, to: seq, by });
  }

  /** An event at a place that is taken, or was passed. @returns whether it is new */
  #takeBehind(chain: ChainState, event: EventOfLine, hash: string, sound: boolean): boolean {
    const { head, doubt } = chain;
    const { seq, prevHash } = event;
    const mayRepeat = this.#expected.repeats && sound;
    if (mayRepeat && this.#recent.get(placeOf(event)) === hash) {
      if (goesOn(chain.replayedRun, event)) chain.replayedRun = null;
      return false;
    }
    if (sound && fillHole(chain, event)) {
      const run = lastOf(chain.anomalies, 'late');
      if (run?.to === seq - 1) run.to = seq;
      else this.#see(chain, { kind: 'late', seq, to: seq, after: head.seq });
      return true;
    }
    if (mayRepeat && this.#isReplayed(chain, event, hash)) return false;
    const fits = seq === head.seq && sound && prevHash === head.prevHash;
    if (fits && doubt?.hashMismatch !== true) {
      const rivals = doubt?.acceptablePrevHashes ?? [];
      if (rivals.length < MAX_RIVALS)
        chain.doubt = { hashMismatch: false, acceptablePrevHashes: [...rivals, hash] };
      this.#see(chain, { kind: 'forked', seq });
      return true;
    }
    this.#see(chain, { kind: 'second', seq, fits });
    if (fits) {
      head.hash = hash;
      chain.doubt = null;
    }
    return true;
  }

  /**
   * Whether it may be one of a long run that came before, longer than is remembered: each is chained to the one before
   * it, so that all of them are those of before if the last one is.
   */
  #isReplayed(chain: ChainState, event: EventOfLine, hash: string): boolean {
    const { head, replayedRun } = chain;
    const { seq } = event;
    const goes = goesOn(replayedRun, event);
    if (!goes) this.#endRun(chain);
    if (seq === head.seq) {
      if (hash !== head.hash) return false;
      chain.replayedRun = null;
    } else chain.replayedRun = { from: goes && replayedRun !== null ? replayedRun.from : seq, seq, hash };
    return true;
  }

  /** A run that came again, if there is one, didn't come to where the chain was. */
  #endRun(chain: ChainState): void {
    const run = chain.replayedRun;
    chain.replayedRun = null;
    if (run !== null) this.#see(chain, { kind: 'replayed', seq: run.from, to: run.seq });
  }

  #seeUnknown(chain: ChainState, { seq, at }: EventOfLine): void {
    const { last } = this.#expected;
    if (last !== null && at <= last.lateBefore && lastOf(chain.anomalies, 'unknown') === undefined)
      this.#see(chain, { kind: 'unknown', seq, at, number: last.number });
  }

  #seeEnvironment(chain: ChainState, { seq, environment }: EventOfLine): void {
    const expected = this.#environment ?? '';
    if (lastOf(chain.anomalies, 'other-environment') === undefined)
      this.#see(chain, { kind: 'other-environment', seq, environment, expected });
  }

  /** Times never go back within a chain: what is said to have left with a month must lie between what is here. */
  #compareTimes(chain: ChainState, { seq, at }: EventOfLine): void {
    for (const archived of chain.archived) {
      const { firstSeq, lastSeq, from, to } = archived;
      if ((seq < firstSeq && at >= to) || (seq > lastSeq && at < from))
        this.#contradict(chain, archived, `event ${seq} is of ${isoFromMicros(BigInt(at))}`);
    }
  }

  /** Said once: these events did not leave with that month. */
  #contradict(chain: ChainState, archived: ChainState['archived'][number], why: string): void {
    chain.archived = chain.archived.filter((each) => each !== archived);
    const { month, firstSeq, lastSeq } = archived;
    this.#see(chain, { kind: 'not-archived', seq: firstSeq, to: lastSeq, month, why });
  }

  #remember(event: EventOfLine, hash: string): void {
    this.#recent.set(placeOf(event), hash);
    if (this.#recent.size <= MAX_RECENT) return;
    const [oldest] = this.#recent.keys();
    if (oldest !== undefined) this.#recent.delete(oldest);
  }
}

function placeOf({ writer, seq }: EventOfLine): string {
  return `${writer} ${seq}`;
}

/** Whether an event is the next one of a run. */
function goesOn(run: ChainState['replayedRun'], { seq, prevHash }: EventOfLine): boolean {
  return run !== null && seq === run.seq + 1 && prevHash === run.hash;
}
