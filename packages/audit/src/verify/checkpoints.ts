import { readLine } from '../chain/ndjson.ts';
import { checkpointOf } from '../checkpoints/checkpoint.ts';
import type { VerifierKey } from '../checkpoints/note.ts';
import { linesOf, UnreadableFileError } from '../chain/file-lines.ts';
import { CheckpointLog, type CheckpointLogOptions } from './checkpoint-log.ts';
import type { Findings } from './findings.ts';
import type { FixedPoints } from './fixed-points.ts';

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

/** By how much the clocks of the gateways, of whoever exports and of whoever signs may differ; microseconds. */
const CLOCKS_DIFFER = 5_000_000;

/** All that checkpoints say: those of the record itself, and those that somebody else kept. */
export class Checkpoints {
  /** By writer. */
  readonly fixed = new Map<string, FixedPoints>();
  /** The record's own. */
  readonly own: CheckpointLog;
  readonly #kept: CheckpointLog[] = [];
  readonly #keys: readonly VerifierKey[];
  /** What is wrong with them. */
  readonly findings: Findings;
  readonly #upTo: number;
  #madeAt: number | null = null;

  /** @param upTo the last number that counts, for going on with what was begun before there were more */
  constructor(
    keys: readonly VerifierKey[],
    findings: Findings,
    upTo: number,
    own: Pick<CheckpointLogOptions, 'place' | 'complete' | 'environment'>,
  ) {
    this.#keys = keys;
    this.findings = findings;
    this.#upTo = upTo;
    this.own = new CheckpointLog({ ...own, keys, fixed: this.fixed, findings });
  }

  /** Takes one of the record's own. @returns its number, if it has one */
  takeOwn(number: number | null, note: string): number | null {
    const itsNumber = number ?? checkpointOf(note)?.number ?? null;
    if ((itsNumber ?? 0) <= this.#upTo) this.own.take(number, note);
    return itsNumber;
  }

  /**
   * Takes what somebody kept. The record's own must be in.
   * @throws NoCheckpointsError
   */
  async takeKept(kept: CheckpointFile): Promise<void> {
    const { file, bytes, required = false, readLater = false, madeAt = null } = kept;
    const { fixed, own: beside, environment, findings } = this;
    this.#madeAt = madeAt;
    const how = {
      place: file,
      complete: false,
      environment,
      keys: this.#keys,
      fixed,
      findings,
      beside,
      madeAt,
    };
    const log = new CheckpointLog(how);
    this.#kept.push(log);
    let taken = 0;
    let unreadable = '';
    try {
      for await (const lines of linesOf(file, bytes))
        for (const line of lines) if (this.#takeLine(log, line)) taken += 1;
    } catch (error) {
      if (!(error instanceof UnreadableFileError)) throw error;
      unreadable = `: ${error.message}`;
      if (!readLater) findings.add('changed', null, null, `${file}: ${error.message}`);
    }
    if (required && taken === 0)
      throw new NoCheckpointsError(
        `${file} holds no checkpoint${unreadable || ', which are lines {"checkpoint":"…"}, as they are sent'}`,
      );
    log.finish();
  }

  /** Puts together what the places say, and says where they contradict one another. */
  settle(): void {
    for (const log of this.#kept) {
      const numbers = log.numbers().filter((number) => this.own.hashOf(number) !== undefined);
      const first = numbers.find((number) => this.own.hashOf(number) !== log.hashOf(number));
      if (first === undefined) continue;
      const alike = numbers.some((number) => this.own.hashOf(number) === log.hashOf(number));
      const what = alike
        ? `there are two signed checkpoints ${first}: from there on the record has two histories`
        : `none of the checkpoints in ${log.place} is one of this record's: another installation signs with the same key, or this record was begun anew`;
      this.findings.add('forked', null, first, what);
    }
    for (const [writer, points] of this.fixed) {
      const inOrder = points.inOrder((one, other) => {
        const what = `checkpoints ${one.number} and ${other.number} fix two different events at place ${one.seq}`;
        this.findings.add('forked', writer, one.seq, what);
      });
      this.fixed.set(writer, inOrder);
    }
  }

  logs(): readonly CheckpointLog[] {
    return [this.own, ...this.#kept];
  }

  /** The log that goes furthest, of those that know where all chains stood. */
  lastOfAll(): CheckpointLog | undefined {
    return newest(this.logs().filter((log) => log.end.all));
  }

  /** The one checkpoint whose word on all chains has still to be compared: of a log that began in the middle. */
  unproved(): CheckpointLog | undefined {
    return this.lastOfAll() === undefined ? newest(this.logs()) : undefined;
  }

  /** The number of the last checkpoint before a time, microseconds, wherever it is; 0 when there is none. */
  lastBefore(time: number): number {
    return Math.max(...this.logs().map((log) => log.lastBefore(time)));
  }

  /** The number of the first one from a time on, microseconds, wherever it is. */
  firstFrom(time: number): number | undefined {
    const numbers = this.logs().flatMap((log) => log.firstFrom(time) ?? []);
    return numbers.length === 0 ? undefined : Math.min(...numbers);
  }

  /**
   * The last checkpoint that isn't younger than what is verified: what those up to it fix must be there. Later ones too
   * say what an event must be, if it is there.
   */
  get upTo(): number {
    return Math.max(0, ...this.logs().map((log) => log.end.last?.number ?? 0));
  }

  /** How many verified checkpoints there are, wherever they are, and not younger. */
  get count(): number {
    const { upTo } = this;
    return [...this.#numbers()].filter((number) => number <= upTo).length;
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
    return this.#madeAt === null ? this.upTo : this.lastBefore(this.#madeAt - CLOCKS_DIFFER);
  }

  /** Of the record, as far as its own checkpoints or else the first that were kept say it. */
  get environment(): string | null {
    return this.logs().find((log) => log.environment !== null)?.environment ?? null;
  }

  /** Numbers of verified checkpoints, none of them younger, that are kept elsewhere and not, or not alike, in the record. */
  keptOnly(): ReadonlySet<number> {
    const { upTo } = this;
    const isKeptOnly = (log: CheckpointLog) => (number: number) =>
      number <= upTo && log.hashOf(number) !== this.own.hashOf(number);
    return new Set(this.#kept.flatMap((log) => log.numbers().filter(isKeptOnly(log))));
  }

  #numbers(): ReadonlySet<number> {
    return new Set(this.logs().flatMap((log) => log.numbers()));
  }

  /** @returns whether there is a checkpoint in it, be it behind what a collector of logs puts before a line */
  #takeLine(log: CheckpointLog, text: string): boolean {
    const from = text.indexOf('{"checkpoint":"');
    const line = from === -1 ? null : readLine(text.slice(from));
    if (line?.kind !== 'checkpoint') return false;
    const checkpoint = checkpointOf(line.note);
    if (checkpoint === null || checkpoint.number <= this.#upTo) log.take(null, line.note);
    return true;
  }
}

/** The log that goes furthest, of those that have any verified checkpoint. */
function newest(logs: readonly CheckpointLog[]): CheckpointLog | undefined {
  const number = (log: CheckpointLog) => log.end.last?.number ?? 0;
  return logs.filter((log) => number(log) > 0).toSorted((a, b) => number(b) - number(a))[0];
}
