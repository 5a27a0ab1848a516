import type { ChainRange } from '../archive/archive-file.ts';
import { EMPTY_CHAIN } from '../chain/chain.ts';
import type { EventOfLine } from '../chain/ndjson.ts';
import { type Head, listsAll } from '../checkpoints/checkpoint.ts';
import { type Month, startOf } from '../month.ts';
import { isoFromMicros } from '../timestamp.ts';
import type { Findings } from './findings.ts';
import { type FixedPoint, type FixedPoints, shortened } from './fixed-points.ts';
import { areExchanged, hashOfForm, originOf } from './places.ts';
import { range } from './trail.ts';

/** Events that stand elsewhere than their writer put them, all by the same distance. */
interface Moved {
  readonly from: number;
  readonly to: number;
  /** Where they were, less where they are. */
  readonly by: number;
}

/** Places without an event. */
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

/** Events that are kept elsewhere, and were not looked at. */
interface Archived {
  readonly month: Month;
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** When the month began, and the next one, microseconds. */
  readonly from: number;
  readonly to: number;
  /** It was said that others contradict it. */
  contradicted: boolean;
}

/** How far a chain has been followed. Plain data, so that a verification can be taken up again. */
interface Chain {
  /** The first event that was here. */
  first: number;
  seq: number;
  /** The hash that the next event must name. */
  hash: string;
  /** What the event at `seq` must name. */
  before: string;
  at: number;
  /** Its first event is one by which a writer doesn't begin. */
  unopened: boolean;
  /** An event of it matches its hash. */
  sound: boolean;
  closed: boolean;
  /** Other hashes that the next event may name: of rivals at `seq`, or the true one where only the column was changed. */
  also: string[];
  /** What is wrong with the event at `seq` is said already. */
  odd: boolean;
  /** That event's hash is wrong, and so is what it names: nothing of it fits. */
  foreign: boolean;
  moved: Moved[];
  /** How many events less there are since others were moved up. */
  lost: number;
  /** Events whose hash is wrong, for comparing them. */
  suspects: EventOfLine[];
  holes: Hole[];
  /** The last event that came late, into a hole. */
  late: number;
  /** The last place where a checkpoint fixes what is there. */
  fixed: number;
  /** The first place where a checkpoint fixes something else. */
  broken: { readonly seq: number; readonly number: number } | null;
  /** It was said that an event of it is of another environment. */
  elsewhere: boolean;
  archived: Archived[];
  /** Events that came again, each chained to the one before: what they are shows at the last of them. */
  echo: { readonly from: number; readonly seq: number; readonly hash: string } | null;
  /** Where it stood at the last checkpoint; the greatest number where nobody knows. */
  head: number;
  /** The first event that the last checkpoint doesn't know. */
  unknown: { readonly seq: number; readonly at: number } | null;
  /** The last event not after `standingAt`. */
  standing: { readonly seq: number; readonly hash: string } | null;
}

export type ChainsState = readonly (readonly [string, Chain])[];

export interface ChainsOptions {
  readonly fixed: FixedPoints;
  readonly findings: Findings;
  /** Lines may come again, as they do in what is exported at least once. */
  readonly repeats: boolean;
  /** The events are those of whole months alone: chains begin and end outside. */
  readonly partial: PartOfRecord | null;
  /** Whose record it is; null: what the first event says. */
  readonly environment: string | null;
  /** Chains that began before this had no first event of their own; microseconds, or null when nobody knows. */
  readonly openedSince: number | null;
  /** The last checkpoint that can fix no event after the end of what is verified. */
  readonly upTo: number;
  /** For which time to remember where chains stood, or null. */
  readonly standingAt: number | null;
  /** Where all chains stood at the last checkpoint, where that is known. */
  readonly lastHeads: ReadonlyMap<string, Head> | null;
}

/** What is known of a part of the record that is archived. */
interface PartOfRecord {
  /** When its last month began, microseconds. */
  readonly lastFrom: number;
  /** The last checkpoint that can fix no event after that month, whatever the clocks say; 0 when there is none. */
  readonly upTo: number;
  /** Checkpoints between which whatever a chain grew by is of a month that was given: first and last number. */
  readonly within: readonly (readonly [number, number])[];
  /** Whether a month between these times was not given. */
  readonly lacksBetween: (from: number, to: number) => boolean;
}

const MAX_SUSPECTS = 64;
const MAX_HOLES = 1_000;
const MAX_RECENT = 20_000;

/**
 * Follows every chain, event by event, in the order of `seq` for each writer, and names what doesn't fit. Memory grows
 * with chains and with faults, not with events.
 */
export class Chains {
  readonly #options: ChainsOptions;
  readonly #chains: Map<string, Chain>;
  #environment: string | null;
  /** The last lines, where lines may come again: place to hash. */
  readonly #recent = new Map<string, string>();

  constructor(options: ChainsOptions, state: ChainsState = []) {
    this.#options = options;
    this.#chains = new Map(state);
    this.#environment = options.environment;
  }

  state(): ChainsState {
    return [...this.#chains];
  }

  get count(): number {
    return this.#chains.size;
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
    const chain = this.#chain(writer);
    if (lastSeq <= chain.seq) return;
    const [from, to] = [Number(startOf(month)), Number(startOf(month, 1))];
    const archived = { month, firstSeq, lastSeq, from, to, contradicted: false };
    chain.archived.push(archived);
    const point = this.#options.fixed.firstFrom(writer, lastSeq);
    if (settled !== undefined && (point === undefined || point.number > settled))
      this.#contradict(writer, archived, `no checkpoint of that time fixes them`);
    if (firstSeq > chain.seq + 1) dig(chain, firstSeq, firstPrevHash, from);
    else if (firstPrevHash !== chain.hash)
      this.#options.findings.add(
        'changed',
        writer,
        firstSeq,
        `event ${firstSeq}, archived, was chained to another`,
      );
    const at = Math.max(chain.at, to - 1);
    Object.assign(chain, { seq: lastSeq, hash: lastHash, at, odd: false, also: [], sound: true });
    this.#compare(writer, chain, lastSeq, lastHash);
  }

  /** @returns whether it is new: neither one that came before, nor what looks like one until its run has ended */
  take(event: EventOfLine): boolean {
    const chain = this.#chain(event.writer, event);
    if (chain.archived.length > 0) this.#compareTimes(chain, event);
    const hash = hashOfForm(event.form);
    const sound = hash === event.hash;
    chain.sound ||= sound;
    // The hash as it was made here: that of the event is a piece of all that was read with it.
    let isNew = true;
    if (sound && event.seq === chain.seq + 1 && event.prevHash === chain.hash && !chain.closed)
      this.#accept(chain, event, hash);
    else isNew = this.#doubt(chain, event, sound);
    this.#environment ??= event.environment;
    if (event.environment !== this.#environment && sound) this.#ofAnother(chain, event);
    if (this.#options.repeats) this.#remember(event);
    return isNew;
  }

  /** What can be said of a chain once no more of it comes. To be called for all, once. */
  end(): void {
    for (const [writer, chain] of this.#chains) {
      this.#nameExchanged(writer, chain);
      this.#nameMoved(writer, chain);
      this.#nameForeign(writer, chain);
      this.#nameEcho(writer, chain);
      this.#nameHoles(writer, chain);
      this.#nameBeginning(writer, chain);
      this.#nameRewritten(writer, chain);
      this.#nameUnopened(writer, chain);
    }
  }

  /** Chains that a checkpoint fixes more of than there is. */
  short(): readonly { readonly writer: string; readonly has: number; readonly point: FixedPoint }[] {
    const { partial, fixed } = this.#options;
    return [...fixed.writers()].flatMap((writer) => {
      const chain = this.#chains.get(writer);
      const point = partial === null ? this.#lastDue(writer) : this.#fixedIn(partial, writer, chain);
      const has = (chain?.seq ?? 0) + (chain?.lost ?? 0);
      return point === undefined || point.seq <= has || chain?.broken ? [] : [{ writer, has, point }];
    });
  }

  /** Whether events are here that were written after this checkpoint was begun. All up to it must be known. */
  goBeyond(number: number): boolean {
    const { fixed } = this.#options;
    return [...this.#chains].some(
      ([writer, { seq }]) => seq > (fixed.last(writer, (point) => point.number <= number)?.seq ?? 0),
    );
  }

  /** The last place of a chain that must be here. */
  #lastDue(writer: string): FixedPoint | undefined {
    const { fixed, upTo } = this.#options;
    return fixed.last(writer, ({ number }) => number <= upTo);
  }

  /** Of months alone: the last place of a chain that must be in one of them. */
  #fixedIn(partial: PartOfRecord, writer: string, chain: Chain | undefined) {
    const { fixed } = this.#options;
    // One that has nothing in the last month may have ended anywhere, but for what it grew by within a month.
    return chain !== undefined && chain.at >= partial.lastFrom
      ? fixed.last(writer, ({ number }) => number <= partial.upTo)
      : fixed.last(writer, (point) => isGrowth(partial, point));
  }

  /** What each chain has beyond the last checkpoint, and when that begins. */
  unknown(): Iterable<{
    readonly writer: string;
    readonly from: number;
    readonly to: number;
    readonly at: number;
  }> {
    return [...this.#chains].flatMap(([writer, { unknown, seq }]) =>
      unknown === null ? [] : [{ writer, from: unknown.seq, to: seq, at: unknown.at }],
    );
  }

  /** Events that no checkpoint fixes yet. */
  tail(): number {
    let events = 0;
    for (const [writer, { seq }] of this.#chains)
      events += seq - (this.#options.fixed.last(writer, (point) => point.seq <= seq)?.seq ?? 0);
    return events;
  }

  /** Where each chain stood at `standingAt`, and whether it has gone on since. */
  standing(): Iterable<{
    readonly writer: string;
    readonly seq: number;
    readonly hash: string;
    readonly at: number;
  }> {
    return [...this.#chains].flatMap(([writer, { standing, at }]) =>
      standing === null ? [] : [{ writer, ...standing, at }],
    );
  }

  /** Said once of a chain: events keep their hashes wherever they are put. */
  #ofAnother(chain: Chain, { writer, seq, environment }: EventOfLine): void {
    if (chain.elsewhere) return;
    chain.elsewhere = true;
    const what = `event ${seq} is of ${environment}, and this is the record of ${this.#environment}`;
    this.#options.findings.add('inserted', writer, seq, what);
  }

  #chain(writer: string, first?: EventOfLine): Chain {
    const known = this.#chains.get(writer);
    if (known !== undefined) return known;
    const made: Chain = {
      first: first?.seq ?? 0,
      seq: 0,
      hash: EMPTY_CHAIN.hash,
      before: '',
      at: 0,
      unopened: first?.seq === 1 && !(first.kind === 'notice' && first.result === 'writer-opened'),
      sound: false,
      closed: false,
      also: [],
      odd: false,
      foreign: false,
      moved: [],
      lost: 0,
      suspects: [],
      holes: [],
      late: 0,
      fixed: 0,
      broken: null,
      elsewhere: false,
      archived: [],
      echo: null,
      unknown: null,
      head:
        this.#options.lastHeads === null
          ? Number.MAX_SAFE_INTEGER
          : (this.#options.lastHeads.get(writer)?.seq ?? 0),
      standing: null,
    };
    if (this.#options.partial !== null && first !== undefined && first.seq > 1)
      Object.assign(made, { seq: first.seq - 1, hash: first.prevHash });
    this.#chains.set(writer, made);
    return made;
  }

  /** Times never go back within a chain: what is said to have left with a month must lie between what is here. */
  #compareTimes(chain: Chain, { writer, seq, at }: EventOfLine): void {
    for (const archived of chain.archived) {
      const { firstSeq, lastSeq, from, to } = archived;
      if ((seq < firstSeq && at >= to) || (seq > lastSeq && at < from))
        this.#contradict(writer, archived, `event ${seq} is of ${isoFromMicros(BigInt(at))}`);
    }
  }

  /** Said once: these events did not leave with that month. */
  #contradict(writer: string, archived: Archived, why: string): void {
    if (archived.contradicted) return;
    archived.contradicted = true;
    const { month, firstSeq, lastSeq } = archived;
    this.#options.findings.add(
      'removed',
      writer,
      firstSeq,
      `${range('event', firstSeq, lastSeq)} missing: the database says that month ${month} took them, and ${why}`,
    );
  }

  #accept(chain: Chain, event: EventOfLine, hash = event.hash): void {
    chain.before = event.seq === chain.seq + 1 ? chain.hash : event.prevHash;
    chain.seq = event.seq;
    chain.hash = hash;
    chain.at = event.at;
    chain.odd = false;
    chain.foreign = false;
    if (chain.also.length > 0) chain.also = [];
    if (event.kind === 'notice' && event.result === 'writer-closed') chain.closed = true;
    if (event.seq > chain.head && chain.unknown === null) chain.unknown = { seq: event.seq, at: event.at };
    const { standingAt } = this.#options;
    if (standingAt !== null && event.at <= standingAt) chain.standing = { seq: event.seq, hash };
    this.#compare(event.writer, chain, event.seq, event.hash);
  }

  #compare(writer: string, chain: Chain, seq: number, hash: string): void {
    const point = this.#options.fixed.at(writer, seq);
    if (point === undefined) return;
    if (point.hash === shortened(hash)) chain.fixed = seq;
    else chain.broken ??= { seq, number: point.number };
  }

  /** @returns whether it is new */
  #doubt(chain: Chain, event: EventOfLine, sound: boolean): boolean {
    const { findings } = this.#options;
    const { writer, seq, prevHash } = event;
    if (!Number.isSafeInteger(seq) || seq < 1) {
      findings.add('inserted', writer, null, 'an event has a place that no writer gives');
      return true;
    }
    if (seq <= chain.seq) return this.#again(chain, event, sound);
    if (chain.closed) {
      findings.add('inserted', writer, seq, `event ${seq} stands after its writer had closed the chain`);
      return true;
    }
    const hole = seq > chain.seq + 1;
    if (hole) dig(chain, seq, prevHash, event.at);
    if (sound) {
      const linked = prevHash === chain.hash || chain.also.includes(prevHash);
      if (!hole && !linked && !chain.odd)
        findings.add(
          'changed',
          writer,
          chain.seq,
          `event ${chain.seq} is not the one that event ${seq} was chained to`,
        );
      this.#accept(chain, event);
    } else this.#unsound(chain, event);
    return true;
  }

  /** An event whose hash isn't that of its columns. */
  #unsound(chain: Chain, event: EventOfLine): void {
    const { writer, seq } = event;
    const { hash, also } = chain;
    const origin = originOf(event);
    this.#accept(chain, event);
    chain.odd = true;
    if (origin !== null) return move(chain, seq, origin - seq);
    chain.also = [hashOfForm(event.form)];
    chain.foreign = event.prevHash !== hash && !also.includes(event.prevHash);
    if (chain.suspects.length < MAX_SUSPECTS) chain.suspects.push(event);
    this.#options.findings.add('changed', writer, seq, `event ${seq} does not match its hash`);
    return undefined;
  }

  /** An event at a place that is behind. @returns whether it is new */
  #again(chain: Chain, event: EventOfLine, sound: boolean): boolean {
    const { findings, repeats } = this.#options;
    const { writer, seq, hash, prevHash } = event;
    if (repeats && sound && this.#recent.get(placeOf(event)) === hash) {
      if (chain.echo?.seq === seq - 1 && chain.echo.hash === prevHash) chain.echo = null;
      return false;
    }
    if (sound && fill(chain, event)) {
      if (seq !== chain.late + 1)
        findings.add('reordered', writer, seq, `event ${seq} comes after event ${chain.seq}`);
      chain.late = seq;
      return true;
    }
    if (repeats && sound && this.#echoes(chain, event)) return false;
    const fits = seq === chain.seq && sound && prevHash === chain.before;
    if (fits && !chain.odd) {
      chain.also.push(hash);
      findings.add('forked', writer, seq, `two sound events stand at place ${seq}, after the same one`);
      return true;
    }
    if (fits) {
      // The one before was the stranger.
      findings.retract(writer, seq, seq);
      chain.suspects = chain.suspects.filter((suspect) => suspect.seq !== seq);
      Object.assign(chain, { hash, odd: false, foreign: false, also: [] });
    }
    findings.add('inserted', writer, seq, `a second event stands at place ${seq}`);
    return true;
  }

  /**
   * Whether it may be one of a long run that came before, longer than is remembered: each is chained to the one before
   * it, so that all of them are those of before if the last one is.
   */
  #echoes(chain: Chain, { writer, seq, hash, prevHash }: EventOfLine): boolean {
    const { echo } = chain;
    const goesOn = echo !== null && seq === echo.seq + 1 && prevHash === echo.hash;
    if (!goesOn) this.#nameEcho(writer, chain);
    if (seq === chain.seq) {
      if (hash !== chain.hash) return false;
      chain.echo = null;
    } else chain.echo = { from: goesOn ? echo.from : seq, seq, hash };
    return true;
  }

  /** A run that came again, and didn't come to where the chain was. */
  #nameEcho(writer: string, chain: Chain): void {
    if (chain.echo === null) return;
    const { from, seq } = chain.echo;
    chain.echo = null;
    const what = from === seq ? 'a second event stands at place' : 'second events stand at places from';
    this.#options.findings.add('inserted', writer, from, `${what} ${from}`);
  }

  #remember(event: EventOfLine): void {
    this.#recent.set(placeOf(event), event.hash);
    if (this.#recent.size <= MAX_RECENT) return;
    const [oldest] = this.#recent.keys();
    if (oldest !== undefined) this.#recent.delete(oldest);
  }

  #nameExchanged(writer: string, chain: Chain): void {
    const { findings } = this.#options;
    const rest = [...chain.suspects];
    for (let one = rest.shift(); one !== undefined; one = rest.shift()) {
      const first = one;
      const index = rest.findIndex((candidate) => areExchanged(first, candidate));
      const [other] = index === -1 ? [] : rest.splice(index, 1);
      if (other === undefined) continue;
      findings.retract(writer, one.seq, one.seq);
      findings.retract(writer, other.seq, other.seq);
      findings.add('reordered', writer, one.seq, `events ${one.seq} and ${other.seq} have changed places`);
    }
  }

  #nameMoved(writer: string, chain: Chain): void {
    const { findings } = this.#options;
    for (const group of neighbours(chain.moved)) {
      const [first, last] = [group[0], group.at(-1)];
      if (first === undefined || last === undefined) continue;
      if (group.length > 1 || last.to < chain.seq) {
        findings.add(
          'reordered',
          writer,
          first.from,
          `${range('event', first.from, last.to)} stand elsewhere than they were written`,
        );
      } else if (first.by > 0) {
        chain.lost = first.by;
        const what = range('event', first.from, first.from + first.by - 1);
        findings.add(
          'removed',
          writer,
          first.from,
          `${what} and all after it were moved up over what was removed`,
        );
      } else {
        const from = first.from + first.by;
        findings.retract(writer, from, first.from - 1);
        findings.add(
          'inserted',
          writer,
          from,
          `${range('event', from, first.from - 1)} was slipped in, and all after it moved down`,
        );
      }
    }
  }

  /** An event at the end of a chain that fits nothing, and that no checkpoint knows, was never part of it. */
  #nameForeign(writer: string, chain: Chain): void {
    const { fixed, findings } = this.#options;
    if (!chain.foreign || chain.seq <= (fixed.last(writer)?.seq ?? 0)) return;
    findings.retract(writer, chain.seq, chain.seq);
    findings.add(
      'inserted',
      writer,
      chain.seq,
      `event ${chain.seq} fits neither its hash nor the event before it`,
    );
    if (chain.holes.at(-1)?.to === chain.seq - 1) chain.holes.pop();
  }

  #nameHoles(writer: string, { holes }: Chain): void {
    const { partial } = this.#options;
    for (const { from, to, between } of holes)
      if (partial?.lacksBetween(...between) !== true)
        this.#options.findings.add('removed', writer, from, `${range('event', from, to)} missing`);
  }

  /** Of months alone: a chain may have begun before them, but not with what it grew by within one. */
  #nameBeginning(writer: string, { first }: Chain): void {
    const { partial, fixed, findings } = this.#options;
    if (partial === null || first <= 1) return;
    const point = fixed.last(writer, (each) => each.seq < first && isGrowth(partial, each));
    if (point === undefined) return;
    const what = `${range('event', point.seq, first - 1)} missing`;
    findings.add(
      'removed',
      writer,
      point.seq,
      `${what}, and whatever checkpoint ${point.number} fixes before`,
    );
  }

  #nameRewritten(writer: string, { broken, fixed, seq }: Chain): void {
    const { findings, partial } = this.#options;
    if (broken === null || findings.has(writer, fixed + 1, broken.seq + 1)) return;
    const missing = (this.#lastDue(writer)?.seq ?? 0) - seq;
    const what = `checkpoint ${broken.number} fixes another event at place ${broken.seq}: somewhere after event ${fixed}`;
    if (missing > 0 && partial === null)
      findings.add(
        'removed',
        writer,
        broken.seq,
        `${what} events are missing, ${missing} in all, and all hashes after them were computed again`,
      );
    else
      findings.add(
        'changed',
        writer,
        broken.seq,
        `${what} something was changed, and all hashes after it computed again`,
      );
  }

  /** Every writer says first that it is there. */
  #nameUnopened(writer: string, { unopened, sound, at, seq }: Chain): void {
    const { openedSince, findings, fixed } = this.#options;
    if (!unopened) return;
    if (sound) {
      const older = openedSince === null || at <= openedSince || fixed.first(writer)?.number === 1;
      if (older || findings.has(writer, 1, 1)) return;
    }
    findings.retract(writer, 1, seq);
    findings.add('inserted', writer, 1, `no writer opened this chain, ${range('event', 1, seq)}`);
  }
}

function placeOf({ writer, seq }: EventOfLine): string {
  return `${writer} ${seq}`;
}

/**
 * Whether a chain grew to this point within one of the months that were given. The checkpoints that list all chains
 * list those that stood still, too.
 */
function isGrowth({ within }: PartOfRecord, { number }: FixedPoint): boolean {
  return !listsAll(number) && within.some(([first, last]) => number > first && number <= last);
}

function move(chain: Chain, seq: number, by: number): void {
  const last = chain.moved.at(-1);
  if (last !== undefined && last.to === seq - 1 && last.by === by)
    chain.moved[chain.moved.length - 1] = { ...last, to: seq };
  else chain.moved.push({ from: seq, to: seq, by });
}

/** Notes that everything up to `seq` is missing. @param at time of the event there */
function dig(chain: Chain, seq: number, before: string, at: number): void {
  if (chain.holes.length >= MAX_HOLES) return;
  const between = [chain.at, at] as const;
  chain.holes.push({ from: chain.seq + 1, to: seq - 1, after: chain.hash, before, between });
}

/** Puts an event into the hole it is missing from; false when it fits none. */
function fill(chain: Chain, { seq, hash, prevHash }: EventOfLine): boolean {
  const index = chain.holes.findIndex(({ from, to }) => from <= seq && seq <= to);
  const hole = chain.holes[index];
  if (hole === undefined) return false;
  if (seq === hole.from && prevHash !== hole.after) return false;
  if (seq === hole.to && hash !== hole.before) return false;
  const parts = [
    { ...hole, to: seq - 1, before: prevHash },
    { ...hole, from: seq + 1, after: hash },
  ];
  chain.holes.splice(index, 1, ...parts.filter(({ from, to }) => from <= to));
  return true;
}

/** Stretches that touch one another. */
function neighbours(moved: readonly Moved[]): readonly (readonly Moved[])[] {
  const groups: Moved[][] = [];
  for (const stretch of moved) {
    const group = groups.at(-1);
    if (group?.at(-1)?.to === stretch.from - 1) group?.push(stretch);
    else groups.push([stretch]);
  }
  return groups;
}
