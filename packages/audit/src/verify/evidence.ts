import { readLine } from '../chain/ndjson.ts';
import { checkpointOf } from '../checkpoints/checkpoint.ts';
import type { VerifierKey } from '../checkpoints/note.ts';
import type { Findings } from './findings.ts';
import { FixedPoints } from './fixed-points.ts';
import { linesOf, UnreadableFileError } from './in-files.ts';
import { Trail, type TrailOptions } from './trail.ts';

/** A file with checkpoints in it. */
export interface CheckpointFile {
  readonly file: string;
  /** How much of it to read, or all. */
  readonly bytes?: number;
  /** Checkpoints are what it is there for: without any, it is the wrong file. */
  readonly required?: boolean;
  /** When what is verified was made, microseconds, or null when nobody can say. */
  readonly madeAt?: number | null;
  /** Its events are read too, and what can't be read is said then. */
  readonly readLater?: boolean;
}

/** A file that should hold checkpoints holds none. */
export class NoCheckpointsError extends Error {
  override readonly name = 'NoCheckpointsError';
}

/** What is known of the record's own checkpoints. */
export type OwnCheckpoints = Pick<TrailOptions, 'place' | 'complete' | 'environment' | 'marks'>;

/** By how much the clocks of the gateways, of whoever exports and of whoever signs may differ; microseconds. */
const CLOCKS_DIFFER = 5_000_000;

/** @param madeAt microseconds */
function surelyBefore(madeAt: number): bigint {
  return BigInt(madeAt - CLOCKS_DIFFER);
}

/** The trail that goes furthest, of those that have any checkpoint. */
export function newest(trails: readonly Trail[]): Trail | undefined {
  return trails
    .filter((trail) => trail.last() !== undefined)
    .toSorted((a, b) => (b.last()?.number ?? 0) - (a.last()?.number ?? 0))[0];
}

/** All that checkpoints say: those of the record itself, and those that somebody else kept. */
export class Evidence {
  readonly fixed = new FixedPoints();
  /** The record's own. */
  readonly own: Trail;
  readonly #kept: Trail[] = [];
  readonly #keys: readonly VerifierKey[];
  readonly #findings: Findings;
  readonly #upTo: number;
  readonly #marks: readonly bigint[];
  #madeAt: number | null = null;

  /** @param upTo the last number that counts, for going on with what was begun before there were more */
  constructor(keys: readonly VerifierKey[], findings: Findings, upTo: number, own: OwnCheckpoints) {
    this.#keys = keys;
    this.#findings = findings;
    this.#upTo = upTo;
    this.#marks = own.marks ?? [];
    this.own = new Trail({ ...own, keys, fixed: this.fixed, findings });
  }

  /** Takes one of the record's own. @returns its number, if it has one */
  takeOwn(number: number | null, note: string): number | null {
    const place = number ?? checkpointOf(note)?.number ?? null;
    if ((place ?? 0) <= this.#upTo) this.own.take(number, note);
    return place;
  }

  /**
   * Takes what somebody kept. The record's own must be in.
   * @throws NoCheckpointsError
   */
  async takeKept(kept: CheckpointFile): Promise<void> {
    const { file, bytes, required = false, readLater = false, madeAt = null } = kept;
    const { fixed, own: beside } = this;
    const keys = this.#keys;
    const findings = this.#findings;
    const { environment } = this;
    this.#madeAt = madeAt;
    const marks = [...this.#marks, ...(madeAt === null ? [] : [surelyBefore(madeAt)])];
    const trail = new Trail({
      place: file,
      complete: false,
      environment,
      keys,
      fixed,
      findings,
      beside,
      marks,
      madeAt,
    });
    this.#kept.push(trail);
    let taken = 0;
    let unreadable = '';
    try {
      for await (const lines of linesOf(file, bytes))
        for (const line of lines) if (this.#takeLine(trail, line)) taken += 1;
    } catch (error) {
      if (!(error instanceof UnreadableFileError)) throw error;
      unreadable = `: ${error.message}`;
      if (!readLater) findings.add('changed', null, null, `${file}: ${error.message}`);
    }
    if (required && taken === 0)
      throw new NoCheckpointsError(
        `${file} holds no checkpoint${unreadable || ', which are lines {"checkpoint":"…"}, as they are sent'}`,
      );
    trail.end();
  }

  /** The places' last word on where all chains stood, if one has it. */
  lastOfAll(): Trail | undefined {
    return newest(this.trails().filter((trail) => trail.heads().all));
  }

  /** The number of the last checkpoint before a time that is among the marks, wherever it is; 0 when there is none. */
  lastBefore(mark: bigint): number {
    return Math.max(...this.trails().map((trail) => trail.lastBefore(mark)));
  }

  /** The number of the first one from a time on that is among the marks, wherever it is. */
  firstFrom(mark: bigint): number | undefined {
    const numbers = this.trails().flatMap((trail) => trail.firstFrom(mark) ?? []);
    return numbers.length === 0 ? undefined : Math.min(...numbers);
  }

  /**
   * The last checkpoint that isn't younger than what is verified: what those up to it fix must be there. Later ones too
   * say what an event must be, if it is there.
   */
  get upTo(): number {
    return Math.max(0, ...this.trails().map((trail) => trail.last()?.number ?? 0));
  }

  /** How many were kept that are younger than what is verified. */
  get younger(): number {
    return this.#numbers().size - this.count;
  }

  /**
   * The last checkpoint that would be in the record itself, were it whole, whatever the clocks say: others may have been
   * signed while the export was being read, by a clock that differs from that of the events.
   */
  get surelyOwn(): number {
    return this.#madeAt === null ? this.upTo : this.lastBefore(surelyBefore(this.#madeAt));
  }

  /** Of the record, as far as its own checkpoints or else the first that were kept say it. */
  get environment(): string | null {
    return this.trails().find((trail) => trail.environment !== null)?.environment ?? null;
  }

  /** Puts together what the places say, and says where they contradict one another. */
  settle(): void {
    for (const trail of this.#kept) {
      const first = [...trail.numbers()].find((number) => this.#differs(trail, number));
      if (first === undefined) continue;
      const alike = [...trail.numbers()].some((number) => trail.hashOf(number) === this.own.hashOf(number));
      this.#findings.add(
        'forked',
        null,
        first,
        alike
          ? `there are two signed checkpoints ${first}: from there on the record has two histories`
          : `none of the checkpoints in ${trail.place} is one of this record's: another installation signs with the same key, or this record was begun anew`,
      );
    }
    this.fixed.settle((writer, one, other) => {
      this.#findings.add(
        'forked',
        writer,
        one.seq,
        `checkpoints ${one.number} and ${other.number} fix two different events at place ${one.seq}`,
      );
    });
  }

  trails(): readonly Trail[] {
    return [this.own, ...this.#kept];
  }

  /** Numbers of genuine checkpoints, none of them younger, that are kept elsewhere and not, or not alike, in the record. */
  keptOnly(): ReadonlySet<number> {
    const { upTo } = this;
    const numbers = this.#kept.flatMap((trail) =>
      [...trail.numbers()].filter(
        (number) => number <= upTo && trail.hashOf(number) !== this.own.hashOf(number),
      ),
    );
    return new Set(numbers);
  }

  /** How many genuine checkpoints there are, wherever they are, and not younger. */
  get count(): number {
    const { upTo } = this;
    return [...this.#numbers()].filter((number) => number <= upTo).length;
  }

  #numbers(): ReadonlySet<number> {
    return new Set(this.trails().flatMap((trail) => [...trail.numbers()]));
  }

  /** @returns whether there is a checkpoint in it, be it behind what a collector of logs puts before a line */
  #takeLine(trail: Trail, text: string): boolean {
    const from = text.indexOf('{"checkpoint":"');
    const line = from === -1 ? null : readLine(text.slice(from));
    if (line?.kind !== 'checkpoint') return false;
    const checkpoint = checkpointOf(line.note);
    if (checkpoint === null || checkpoint.number <= this.#upTo) trail.take(null, line.note);
    return true;
  }

  #differs(trail: Trail, number: number): boolean {
    const own = this.own.hashOf(number);
    return own !== undefined && own !== trail.hashOf(number);
  }
}
