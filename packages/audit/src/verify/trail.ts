import {
  type Checkpoint,
  digestOfHeads,
  hashOfCheckpoint,
  type Head,
  listsAll,
  NO_PREVIOUS,
  parseCheckpoint,
} from '../checkpoints/checkpoint.ts';
import {
  KeyTextError,
  parseVerifierKey,
  readNote,
  type VerifierKey,
  verifyNote,
} from '../checkpoints/note.ts';
import type { Findings } from './findings.ts';
import { type FixedPoints, shortened } from './fixed-points.ts';

/** A checkpoint whose signature no known key made, until a later genuine one vouches for it by its hash. */
interface Candidate {
  readonly checkpoint: Checkpoint;
  readonly textHash: string;
  readonly signed: boolean;
}

export interface TrailOptions {
  /** Where these checkpoints are, in words: `the database`. */
  readonly place: string;
  readonly keys: readonly VerifierKey[];
  /** Whether all checkpoints from the first on must be here. */
  readonly complete: boolean;
  /** The environment whose record it is; null: what the first genuine one says. */
  readonly environment: string | null;
  /** Times for which to remember the checkpoints around them, microseconds. */
  readonly marks?: readonly bigint[];
  /** When what is verified was made, microseconds: what is younger goes beyond the end of it. Null: nothing is. */
  readonly madeAt?: number | null;
  readonly fixed: FixedPoints;
  readonly findings: Findings;
  /** Checkpoints elsewhere: what is alike is proved, and what it fixes is fixed, already. */
  readonly beside?: Trail;
}

/** Where a trail stands. */
interface End {
  readonly last: Checkpoint | undefined;
  readonly heads: ReadonlyMap<string, Head>;
  /** Whether `heads` has those of all chains. */
  readonly all: boolean;
}

/** The checkpoints of one place, in the order of their numbers: which are genuine, and what they fix. */
export class Trail {
  readonly #options: TrailOptions;
  readonly #keys: Map<string, VerifierKey>;
  readonly #hashes = new Map<number, string>();
  /** Numbers that something was said of already. */
  readonly #faulty = new Set<number>();
  #environment: string | null;
  /** Other environments whose checkpoints are here. */
  readonly #others = new Set<string>();
  #unproved: Candidate[] = [];
  /** By mark. */
  readonly #lastBefore = new Map<bigint, number>();
  readonly #firstFrom = new Map<bigint, number>();
  #first: Checkpoint | undefined;
  #last: Candidate | undefined;
  #highest = 0;
  #heads: Map<string, Head> | undefined;
  /** Whether `#heads` has those of all chains. */
  #headsOfAll = false;
  /** Where it stood before the first of those that are younger than what is verified. */
  #endBeforeYounger: End | undefined;

  constructor(options: TrailOptions) {
    this.#options = options;
    this.#environment = options.environment;
    this.#keys = new Map(options.keys.map((key) => [key.text, key]));
  }

  /** @param number what the database says it is, or null where only the note does */
  take(number: number | null, note: string): void {
    const opened = readNote(note);
    const checkpoint = opened && parseCheckpoint(opened.text);
    if (opened === null || checkpoint === null) return this.#forged(number, 'is not a checkpoint');
    if (number !== null && checkpoint.number !== number)
      return this.#forged(number, `is checkpoint ${checkpoint.number}`);
    const textHash = hashOfCheckpoint(opened.text);
    if (this.#seen(checkpoint.number) === shortened(textHash)) return;
    const known = this.#options.beside?.hashOf(checkpoint.number) === shortened(textHash);
    const verdict = known ? 'signed' : verifyNote(opened, [...this.#keys.values()]);
    if (verdict === 'forged')
      return this.#forged(checkpoint.number, 'carries a signature that its key did not make');
    const candidate = { checkpoint, textHash, signed: verdict === 'signed' };
    if (!candidate.signed) this.#unproved.push(candidate);
    else this.#prove(candidate);
  }

  /** To be called when there are no more. */
  end(): void {
    this.#forgeUnproved(this.#unproved);
    this.#unproved = [];
    const last = this.#last?.checkpoint;
    if (last !== undefined && this.#headsOfAll && this.#heads !== undefined)
      this.#requireDigest(last, this.#heads.values());
  }

  /** Of the genuine ones, the younger ones too. */
  numbers(): Iterable<number> {
    return this.#hashes.keys();
  }

  get place(): string {
    return this.#options.place;
  }

  get complete(): boolean {
    return this.#options.complete;
  }

  /** Of the record, as far as it is known. */
  get environment(): string | null {
    return this.#environment;
  }

  /** The number of the last genuine one before a time that is among `marks`; 0 when there is none. */
  lastBefore(mark: bigint): number {
    return this.#lastBefore.get(mark) ?? 0;
  }

  /** The number of the first genuine one from a time on that is among `marks`, if there is one. */
  firstFrom(mark: bigint): number | undefined {
    return this.#firstFrom.get(mark);
  }

  /** The first genuine one. */
  first(): Checkpoint | undefined {
    return this.#first;
  }

  /** The last genuine one that isn't younger than what is verified. */
  last(): Checkpoint | undefined {
    return this.#end().last;
  }

  /** The heads known, and whether they are those of all chains at the last checkpoint. */
  heads(): { readonly all: boolean; readonly known: ReadonlyMap<string, Head> } {
    const { all, heads } = this.#end();
    return { all, known: heads };
  }

  /** The number of the last genuine one, be it younger; 0 when there is none. */
  get highest(): number {
    return this.#last?.checkpoint.number ?? 0;
  }

  #end(): End {
    return (
      this.#endBeforeYounger ?? {
        last: this.#last?.checkpoint,
        heads: this.#heads ?? new Map(),
        all: this.#headsOfAll,
      }
    );
  }

  /** What tells the genuine checkpoint of this number from another, if there is one. */
  hashOf(number: number): string | undefined {
    return this.#hashes.get(number);
  }

  #seen(number: number): string | undefined {
    // Only what is sent at least once comes again: most numbers are new.
    if (number > this.#highest) {
      this.#highest = number;
      return undefined;
    }
    const waiting = this.#unproved.find(({ checkpoint }) => checkpoint.number === number);
    return this.#hashes.get(number) ?? (waiting && shortened(waiting.textHash));
  }

  #prove(candidate: Candidate): void {
    const waiting = this.#unproved;
    this.#unproved = [];
    const vouched = new Set<Candidate>();
    let wanted = candidate.checkpoint.previous;
    for (const earlier of waiting.toReversed()) {
      if (earlier.textHash !== wanted) continue;
      vouched.add(earlier);
      wanted = earlier.checkpoint.previous;
    }
    this.#forgeUnproved(waiting.filter((each) => !vouched.has(each)));
    for (const genuine of [...[...vouched].toReversed(), candidate]) this.#follow(genuine);
  }

  /** Takes a genuine checkpoint to its place after the last one. */
  #follow(candidate: Candidate): void {
    const { checkpoint, textHash } = candidate;
    const { number, previous } = checkpoint;
    const { place, findings } = this.#options;
    this.#environment ??= checkpoint.environment;
    if (checkpoint.environment !== this.#environment) return this.#ofAnother(checkpoint);
    const last = this.#last;
    if (last !== undefined && number <= last.checkpoint.number) {
      findings.add(
        'forked',
        null,
        number,
        `${place} has two signed checkpoints ${number}, or has them out of order`,
      );
      this.#faulty.add(number);
      return;
    }
    this.#hashes.set(number, shortened(textHash));
    this.#requireLink(last, number, previous);
    this.#first ??= checkpoint;
    if (this.#isYounger(checkpoint))
      this.#endBeforeYounger ??= { ...this.#end(), heads: new Map(this.#heads) };
    else this.#endBeforeYounger = undefined;
    for (const mark of this.#options.marks ?? []) {
      if (checkpoint.atMicros < mark) this.#lastBefore.set(mark, number);
      else if (!this.#firstFrom.has(mark)) this.#firstFrom.set(mark, number);
    }
    this.#last = candidate;
    if (checkpoint.nextKey !== null) this.#changeKey(candidate, checkpoint.nextKey);
    this.#fix(checkpoint);
  }

  #isYounger({ number, atMicros }: Checkpoint): boolean {
    const { madeAt = null, beside } = this.#options;
    return madeAt !== null && Number(atMicros) > madeAt && number > (beside?.last()?.number ?? 0);
  }

  /** Two environments may sign with one key, and then a signature alone doesn't tell them apart. */
  #ofAnother({ number, environment }: Checkpoint): void {
    this.#faulty.add(number);
    if (this.#others.has(environment)) return;
    this.#others.add(environment);
    const { place, findings } = this.#options;
    findings.add(
      'forged-checkpoint',
      null,
      number,
      `${place} has checkpoints of ${environment}, and this is the record of ${this.#environment}: they prove nothing here`,
    );
  }

  #requireLink(last: Candidate | undefined, number: number, previous: string): void {
    const { place, complete, findings } = this.#options;
    if (previous === (last?.textHash ?? NO_PREVIOUS)) return;
    const after = last?.checkpoint.number ?? 0;
    const missing = between(after, number).filter((each) => !this.#faulty.has(each));
    const [first] = missing;
    if (first === undefined && number > after + 1) return;
    if (first === undefined) {
      findings.add(
        'forked',
        null,
        number,
        `in ${place} checkpoint ${number} does not follow checkpoint ${after}`,
      );
    } else if (complete) {
      findings.add('removed', null, first, `${place} lacks ${range('checkpoint', first, number - 1)}`);
    }
  }

  #changeKey({ checkpoint }: Candidate, text: string): void {
    try {
      const next = parseVerifierKey(text);
      // The old key signs no more, whoever has it.
      for (const key of this.#keys.values()) if (key.name === next.name) this.#keys.delete(key.text);
      this.#keys.set(next.text, next);
    } catch (error) {
      if (!(error instanceof KeyTextError)) throw error;
      this.#forged(checkpoint.number, 'names a next key that is none');
    }
  }

  #fix(checkpoint: Checkpoint): void {
    const { number, heads } = checkpoint;
    const { fixed, findings, beside } = this.#options;
    const known = beside?.hashOf(number) === this.#hashes.get(number);
    for (const { writer, seq, hash } of heads) {
      if (seq < (this.#heads?.get(writer)?.seq ?? 0))
        findings.add('forked', writer, seq, `checkpoint ${number} takes the chain back to event ${seq}`);
      if (!known) fixed.add(writer, seq, hash, number);
    }
    if (listsAll(number)) {
      this.#requireDigest(checkpoint, heads);
      this.#headsOfAll = true;
      this.#heads = new Map();
    }
    this.#heads ??= new Map();
    for (const head of heads) this.#heads.set(head.writer, head);
  }

  #requireDigest({ number, chains, digest }: Checkpoint, heads: Iterable<Head>): void {
    const list = [...heads];
    if (list.length !== chains || digestOfHeads(list) !== digest)
      this.#forged(number, 'contradicts itself, or those before it, about where chains stood');
  }

  #forgeUnproved(candidates: readonly Candidate[]): void {
    for (const { checkpoint } of candidates)
      this.#forged(checkpoint.number, 'is signed by no key that was given, or that a genuine one named');
  }

  #forged(number: number | null, what: string): void {
    if (number !== null) this.#faulty.add(number);
    this.#options.findings.add(
      'forged-checkpoint',
      null,
      number,
      `${number === null ? 'a checkpoint' : `checkpoint ${number}`} in ${this.#options.place} ${what}`,
    );
  }
}

/** Whole numbers after `low` and before `high`, as many as anybody would list. */
function between(low: number, high: number): readonly number[] {
  return Array.from({ length: Math.min(high - low - 1, 10_000) }, (_, index) => low + 1 + index);
}

/** `event 5`, or `events 5 to 9`. */
export function range(noun: string, from: number, to: number): string {
  return from === to ? `${noun} ${from}` : `${noun}s ${from} to ${to}`;
}
