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
  /** Its events are read too, and what can't be read is said then. */
  readonly readLater?: boolean;
}

/** Which checkpoints count. */
export interface Until {
  /** The last number, for going on with what was begun before there were more. */
  readonly number: number;
  /** The last time, microseconds, or null. */
  readonly at: number | null;
}

/** What is known of the record's own checkpoints. */
export type OwnCheckpoints = Pick<TrailOptions, 'place' | 'complete' | 'environment' | 'before'>;

/** All that checkpoints say: those of the record itself, and those that somebody else kept. */
export class Evidence {
  readonly fixed = new FixedPoints();
  /** The record's own. */
  readonly own: Trail;
  readonly #kept: Trail[] = [];
  readonly #keys: readonly VerifierKey[];
  readonly #findings: Findings;
  readonly #until: Until;

  /** @param complete whether the record must have all of its own from the first on */
  constructor(keys: readonly VerifierKey[], findings: Findings, until: Until, own: OwnCheckpoints) {
    this.#keys = keys;
    this.#findings = findings;
    this.#until = until;
    this.own = new Trail({ ...own, keys, fixed: this.fixed, findings });
  }

  /** Takes one of the record's own. */
  takeOwn(number: number | null, note: string): void {
    if ((number ?? checkpointOf(note)?.number ?? 0) <= this.#until.number) this.own.take(number, note);
  }

  /** Takes what somebody kept. The record's own must be in. */
  async takeKept({ file, bytes, readLater = false }: CheckpointFile): Promise<void> {
    const { fixed, own: beside } = this;
    const keys = this.#keys;
    const findings = this.#findings;
    const { environment } = this;
    const trail = new Trail({ place: file, complete: false, environment, keys, fixed, findings, beside });
    this.#kept.push(trail);
    try {
      for await (const lines of linesOf(file, bytes)) for (const line of lines) this.#takeLine(trail, line);
    } catch (error) {
      if (!(error instanceof UnreadableFileError)) throw error;
      if (!readLater) findings.add('changed', null, null, `${file}: ${error.message}`);
    }
    trail.end();
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

  #takeLine(trail: Trail, text: string): void {
    if (!text.startsWith('{"checkpoint"')) return;
    const line = readLine(text);
    if (line.kind !== 'checkpoint') return;
    const { number, at } = this.#until;
    const checkpoint = checkpointOf(line.note);
    if (checkpoint !== null && checkpoint.number > number) return;
    if (checkpoint !== null && at !== null && Number(checkpoint.atMicros) > at) return;
    trail.take(null, line.note);
  }

  #differs(trail: Trail, number: number): boolean {
    const own = this.own.hashOf(number);
    return own !== undefined && own !== trail.hashOf(number);
  }
}
