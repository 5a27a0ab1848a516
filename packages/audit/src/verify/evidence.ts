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
  /** When what is verified was made, microseconds: younger ones than it has itself say nothing of it. */
  readonly notAfter?: number | null;
  /** Its events are read too, and what can't be read is said then. */
  readonly readLater?: boolean;
}

/** A file that should hold checkpoints holds none. */
export class NoCheckpointsError extends Error {
  override readonly name = 'NoCheckpointsError';
}

/** What is known of the record's own checkpoints. */
export type OwnCheckpoints = Pick<TrailOptions, 'place' | 'complete' | 'environment' | 'marks'>;

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
  #younger = 0;

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
    const { file, bytes, required = false, readLater = false, notAfter = null } = kept;
    const { fixed, own: beside } = this;
    const keys = this.#keys;
    const findings = this.#findings;
    const { environment } = this;
    const marks = this.#marks;
    const trail = new Trail({
      place: file,
      complete: false,
      environment,
      keys,
      fixed,
      findings,
      beside,
      marks,
    });
    this.#kept.push(trail);
    let taken = 0;
    let unreadable = '';
    try {
      for await (const lines of linesOf(file, bytes))
        for (const line of lines) if (this.#takeLine(trail, line, notAfter)) taken += 1;
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

  /** How many were kept that are younger than what is verified. */
  get younger(): number {
    return this.#younger;
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

  /** Numbers of genuine checkpoints that are kept elsewhere and not, or not alike, in the record. */
  keptOnly(): ReadonlySet<number> {
    const numbers = this.#kept.flatMap((trail) =>
      [...trail.numbers()].filter((number) => trail.hashOf(number) !== this.own.hashOf(number)),
    );
    return new Set(numbers);
  }

  /** How many genuine checkpoints there are, wherever they are. */
  get count(): number {
    return new Set(this.trails().flatMap((trail) => [...trail.numbers()])).size;
  }

  /** @returns whether there is a checkpoint in it, be it behind what a collector of logs puts before a line */
  #takeLine(trail: Trail, text: string, notAfter: number | null): boolean {
    const from = text.indexOf('{"checkpoint":"');
    const line = from === -1 ? null : readLine(text.slice(from));
    if (line?.kind !== 'checkpoint') return false;
    const checkpoint = checkpointOf(line.note);
    const young =
      checkpoint !== null &&
      notAfter !== null &&
      Number(checkpoint.atMicros) > notAfter &&
      checkpoint.number > (this.own.last()?.number ?? 0);
    if (young) this.#younger += 1;
    else if (checkpoint === null || checkpoint.number <= this.#upTo) trail.take(null, line.note);
    return true;
  }

  #differs(trail: Trail, number: number): boolean {
    const own = this.own.hashOf(number);
    return own !== undefined && own !== trail.hashOf(number);
  }
}
