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
import { type Findings, range } from './findings.ts';
import { FixedPoints, shortened } from './fixed-points.ts';

/** A checkpoint whose signature no known key made, until a later verified one vouches for it by its hash. */
interface Candidate {
  readonly checkpoint: Checkpoint;
  readonly textHash: string;
}

/** Where checkpoints are, what verifies them, and what they are held against. */
export interface CheckpointLogOptions {
  /** Where these checkpoints are, in words: `the database`. */
  readonly place: string;
  readonly keys: readonly VerifierKey[];
  /** Whether all checkpoints from the first on must be here. */
  readonly complete: boolean;
  /** The environment whose record it is; null: what the first verified one says. */
  readonly environment: string | null;
  /** When what is verified was made, microseconds: what is younger goes beyond the end of it. Null: nothing is. */
  readonly madeAt?: number | null;
  /** What they fix, by writer: added to. */
  readonly fixed: Map<string, FixedPoints>;
  readonly findings: Findings;
  /** Checkpoints elsewhere: what is alike is proved, and what it fixes is fixed, already. */
  readonly beside?: CheckpointLog;
}

/** What is known after a checkpoint. */
interface End {
  last: Checkpoint | undefined;
  heads: Map<string, Head>;
  /** Whether `heads` has those of all chains. */
  all: boolean;
}

/** The checkpoints of one place, in the order of their numbers: which are verified, and what they fix. */
export class CheckpointLog {
  readonly place: string;
  readonly complete: boolean;
  readonly #options: CheckpointLogOptions;
  readonly #keys: Map<string, VerifierKey>;
  /** Of the verified ones, by number and in that order. */
  readonly #hashes = new Map<number, string>();
  readonly #times: number[] = [];
  /** Numbers that something was said of already. */
  readonly #faulty = new Set<number>();
  /** Other environments whose checkpoints are here. */
  readonly #others = new Set<string>();
  #environment: string | null;
  #unproved: Candidate[] = [];
  #first: Checkpoint | undefined;
  #highestSeen = 0;
  #lastHash = NO_PREVIOUS;
  readonly #end: End = { last: undefined, heads: new Map(), all: false };
  /** The end before the first of those that are younger than what is verified. */
  #endBeforeYounger: End | undefined;

  constructor(options: CheckpointLogOptions) {
    this.place = options.place;
    this.complete = options.complete;
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
    if (verdict === 'signed') this.#prove({ checkpoint, textHash });
    else this.#unproved.push({ checkpoint, textHash });
  }

  /** To be called when there are no more. */
  finish(): void {
    this.#forgeUnproved(this.#unproved.splice(0));
    const { last, heads, all } = this.#end;
    if (last !== undefined && all) this.#requireDigest(last, heads.values());
  }

  /** Of the verified ones, the younger ones too. */
  numbers(): readonly number[] {
    return [...this.#hashes.keys()];
  }

  /** Of the record, as far as it is known. */
  get environment(): string | null {
    return this.#environment;
  }

  /** The number of the last verified one before a time, microseconds; 0 when there is none. */
  lastBefore(time: number): number {
    return this.numbers()[this.#times.findLastIndex((at) => at < time)] ?? 0;
  }

  /** The number of the first verified one from a time on, microseconds, if there is one. */
  firstFrom(time: number): number | undefined {
    return this.numbers()[this.#times.findIndex((at) => at >= time)];
  }

  get first(): Checkpoint | undefined {
    return this.#first;
  }

  /** What is known after the last verified one that isn't younger than what is verified. */
  get end(): Readonly<End> {
    return this.#endBeforeYounger ?? this.#end;
  }

  /** The number of the last verified one, be it younger; 0 when there is none. */
  get highest(): number {
    return this.#end.last?.number ?? 0;
  }

  /** What tells the verified checkpoint of this number from another, if there is one. */
  hashOf(number: number): string | undefined {
    return this.#hashes.get(number);
  }

  #seen(number: number): string | undefined {
    // Only what is sent at least once comes again: most numbers are new.
    if (number > this.#highestSeen) {
      this.#highestSeen = number;
      return undefined;
    }
    const waiting = this.#unproved.find(({ checkpoint }) => checkpoint.number === number);
    return this.#hashes.get(number) ?? (waiting && shortened(waiting.textHash));
  }

  /** A signed checkpoint vouches for those before it that lead to it by their hashes, and for no others. */
  #prove(signed: Candidate): void {
    const vouched = [signed];
    const others: Candidate[] = [];
    let wanted = signed.checkpoint.previous;
    for (const earlier of this.#unproved.splice(0).toReversed()) {
      if (earlier.textHash !== wanted) {
        others.unshift(earlier);
        continue;
      }
      vouched.unshift(earlier);
      wanted = earlier.checkpoint.previous;
    }
    this.#forgeUnproved(others);
    for (const verified of vouched) this.#follow(verified);
  }

  /** Takes a verified checkpoint to its place after the last one. */
  #follow({ checkpoint, textHash }: Candidate): void {
    const { number, previous, environment, atMicros, nextKey } = checkpoint;
    const { place, findings } = this.#options;
    this.#environment ??= environment;
    if (environment !== this.#environment) return this.#ofAnother(checkpoint);
    const { last } = this.#end;
    if (last !== undefined && number <= last.number) {
      const what = `${place} has two signed checkpoints ${number}, or has them out of order`;
      findings.add('forked', null, number, what);
      this.#faulty.add(number);
      return;
    }
    this.#requireLink(last?.number ?? 0, number, previous);
    this.#hashes.set(number, shortened(textHash));
    this.#times.push(Number(atMicros));
    this.#lastHash = textHash;
    this.#first ??= checkpoint;
    if (!this.#isYounger(checkpoint)) this.#endBeforeYounger = undefined;
    else this.#endBeforeYounger ??= { ...this.#end, heads: new Map(this.#end.heads) };
    this.#end.last = checkpoint;
    if (nextKey !== null) this.#changeKey(number, nextKey);
    this.#fix(checkpoint);
  }

  #isYounger({ number, atMicros }: Checkpoint): boolean {
    const { madeAt = null, beside } = this.#options;
    return madeAt !== null && Number(atMicros) > madeAt && number > (beside?.end.last?.number ?? 0);
  }

  /** Two environments may sign with one key, and then a signature alone doesn't tell them apart. */
  #ofAnother({ number, environment }: Checkpoint): void {
    this.#faulty.add(number);
    if (this.#others.has(environment)) return;
    this.#others.add(environment);
    const what = `${this.place} has checkpoints of ${environment}, and this is the record of ${this.#environment}: they prove nothing here`;
    this.#options.findings.add('forged-checkpoint', null, number, what);
  }

  #requireLink(after: number, number: number, previous: string): void {
    const { place, complete, findings } = this.#options;
    if (previous === this.#lastHash) return;
    const first = between(after, number).find((each) => !this.#faulty.has(each));
    if (first !== undefined && complete) {
      findings.add('removed', null, first, `${place} lacks ${range('checkpoint', first, number - 1)}`);
    } else if (first === undefined && number === after + 1) {
      const what = `in ${place} checkpoint ${number} does not follow checkpoint ${after}`;
      findings.add('forked', null, number, what);
    }
  }

  #changeKey(number: number, text: string): void {
    try {
      const next = parseVerifierKey(text);
      // The old key signs no more, whoever has it.
      for (const key of this.#keys.values()) if (key.name === next.name) this.#keys.delete(key.text);
      this.#keys.set(next.text, next);
    } catch (error) {
      if (!(error instanceof KeyTextError)) throw error;
      this.#forged(number, 'names a next key that is none');
    }
  }

  #fix(checkpoint: Checkpoint): void {
    const { number, heads } = checkpoint;
    const { fixed, findings, beside } = this.#options;
    const known = beside?.hashOf(number) === this.#hashes.get(number);
    for (const { writer, seq, hash } of heads) {
      if (seq < (this.#end.heads.get(writer)?.seq ?? 0))
        findings.add('forked', writer, seq, `checkpoint ${number} takes the chain back to event ${seq}`);
      if (known) continue;
      const points = fixed.get(writer) ?? new FixedPoints();
      points.add({ seq, hash, number });
      fixed.set(writer, points);
    }
    if (listsAll(number)) {
      this.#requireDigest(checkpoint, heads);
      this.#end.all = true;
      this.#end.heads = new Map();
    }
    for (const head of heads) this.#end.heads.set(head.writer, head);
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
    const which = number === null ? 'a checkpoint' : `checkpoint ${number}`;
    this.#options.findings.add('forged-checkpoint', null, number, `${which} in ${this.place} ${what}`);
  }
}

/** Whole numbers after `low` and before `high`, as many as anybody would list. */
function between(low: number, high: number): readonly number[] {
  return Array.from({ length: Math.min(high - low - 1, 10_000) }, (_, index) => low + 1 + index);
}
