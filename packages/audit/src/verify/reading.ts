import { digestOfRanges } from '../archive/archive-file.ts';
import { type EventOfLine, readLine } from '../chain/ndjson.ts';
import { type Month, monthOf, startOf } from '../month.ts';
import type { Chains } from './chains.ts';
import type { Findings } from './findings.ts';
import type { ArchivedMonth, Position, Snapshot } from './in-database.ts';
import { linesOf, UnreadableFileError } from './in-files.ts';
import { OpenDecisions } from './open-decisions.ts';
import { type VerifyState, writeState } from './resume.ts';

export interface Progress {
  readonly events: number;
  /** About how many there are; 0 when nobody knows. */
  readonly of: number;
}

/** `signal` stopped the verification. */
export class InterruptedError extends Error {
  override readonly name = 'InterruptedError';
}

export interface ReadingOptions {
  readonly source: string;
  readonly upTo: number;
  /** When it was begun, microseconds. */
  readonly now: number;
  readonly of: number;
  readonly onProgress: (progress: Progress) => void;
  /** Where to keep how far it came, or null. */
  readonly resume: string | null;
  readonly signal: AbortSignal | undefined;
}

const PROGRESS_MS = 100;
const SAVE_MS = 5_000;

/** Reads the record's events, part by part, into the checks; can be stopped, and gone on with. */
export class Reading {
  readonly #options: ReadingOptions;
  readonly #chains: Chains;
  readonly #findings: Findings;
  readonly decisions: OpenDecisions;
  readonly #archiveNotices: string[];
  readonly #months: Set<string>;
  /** The month of the last event: first instant, and that of the next, microseconds. */
  #month = { from: 0, to: 0 };
  readonly #begun: VerifyState | null;
  #events: number;
  #lastAt: number;
  #parts = 0;
  #told = 0;
  #saved = performance.now();

  constructor(options: ReadingOptions, chains: Chains, findings: Findings, begun: VerifyState | null) {
    this.#options = options;
    this.#chains = chains;
    this.#findings = findings;
    this.#begun = begun;
    this.decisions = new OpenDecisions(begun?.decisions);
    this.#archiveNotices = [...(begun?.archiveNotices ?? [])];
    this.#months = new Set(begun?.months);
    this.#events = begun?.events ?? 0;
    this.#lastAt = begun?.lastAt ?? 0;
  }

  get events(): number {
    return this.#events;
  }

  /** The latest time of an event, microseconds; 0 when there is none. */
  get lastAt(): number {
    return this.#lastAt;
  }

  /** Months of which an event says that they went into a file with what they held, and of which no event was here. */
  elsewhere(): readonly string[] {
    const held = this.#archiveNotices.filter((notice) => !notice.endsWith(` ${digestOfRanges([])}`));
    const said = new Set(held.flatMap((notice) => notice.split(' ')[0] || []));
    return [...said].filter((month) => !this.#months.has(month)).toSorted();
  }

  /** Whether an event of the record says that just these pieces of chains went into this file, and none says otherwise. */
  saysArchived({ month, sha256, ranges }: ArchivedMonth): boolean {
    const digest = digestOfRanges(ranges);
    const said = this.#archiveNotices.filter((notice) => notice.startsWith(`${month} `));
    return (
      said.includes(`${month} ${sha256} ${digest}`) && said.every((notice) => notice.endsWith(` ${digest}`))
    );
  }

  /** A part that takes no reading. */
  skip(work: () => void): void {
    if (this.#parts >= (this.#begun?.parts ?? 0)) work();
    this.#parts += 1;
  }

  /** @param month that all its events must be of, or null */
  async file(file: string, month: Month | null): Promise<void> {
    if (this.#isRead()) return;
    const whole = month === null ? null : { from: Number(startOf(month)), to: Number(startOf(month, 1)) };
    let strays = 0;
    const from = Number(this.#position() ?? 0);
    let line = 0;
    try {
      for await (const lines of linesOf(file)) {
        for (const text of lines) {
          line += 1;
          if (line <= from) continue;
          const event = this.#takeLine(file, line, text);
          if (whole === null || event === null || (event.at >= whole.from && event.at < whole.to)) continue;
          if (strays === 0) this.#findings.add('changed', null, null, `${file}: ${notOf(month, line)}`);
          strays += 1;
        }
        this.#pass(line);
      }
    } catch (error) {
      if (!(error instanceof UnreadableFileError)) throw error;
      this.#findings.add('changed', null, null, `${file}: ${error.message}`);
    }
    this.#parts += 1;
  }

  async database(snapshot: Snapshot): Promise<void> {
    if (this.#isRead()) return;
    const position = this.#position() as Position | null; // as: what this part keeps
    for await (const events of snapshot.events(position)) {
      for (const event of events) this.#take(event);
      const last = events.at(-1);
      if (last !== undefined) this.#pass({ writer: last.writer, seq: last.seq });
    }
    this.#parts += 1;
  }

  #isRead(): boolean {
    if (this.#parts >= (this.#begun?.parts ?? 0)) return false;
    this.#parts += 1;
    return true;
  }

  /** Where to go on in this part. */
  #position(): VerifyState['position'] {
    return this.#begun !== null && this.#parts === this.#begun.parts ? this.#begun.position : null;
  }

  /** @returns the event, if it is one */
  #takeLine(file: string, number: number, text: string): EventOfLine | null {
    const line = readLine(text);
    if (line.kind === 'event') {
      this.#take(line.event);
      return line.event;
    }
    if (line.kind === 'unreadable')
      this.#findings.add('changed', null, null, `${file}: line ${number} is no line of the record`);
    return null;
  }

  #take(event: EventOfLine): void {
    if (this.#chains.take(event)) {
      this.#events += 1;
      this.decisions.take(event);
    }
    if (event.at > this.#lastAt) this.#lastAt = event.at;
    if (event.at < this.#month.from || event.at >= this.#month.to) this.#enterMonth(event.at);
    if (event.result === 'month-archived' && event.kind === 'notice')
      this.#archiveNotices.push(archivedIn(event.form));
  }

  #enterMonth(at: number): void {
    const month = monthOfEvent(at);
    if (month === null) return;
    this.#months.add(month);
    this.#month = { from: Number(startOf(month)), to: Number(startOf(month, 1)) };
  }

  /** Between two batches: tells, keeps, or stops. */
  #pass(position: Position | number): void {
    const { signal, resume, onProgress, of } = this.#options;
    const now = performance.now();
    if (now - this.#told > PROGRESS_MS) {
      this.#told = now;
      onProgress({ events: this.#events, of });
    }
    const stop = signal?.aborted === true;
    if (resume !== null && (stop || now - this.#saved > SAVE_MS)) {
      writeState(resume, this.#state(position));
      this.#saved = performance.now();
    }
    if (stop) throw new InterruptedError(`stopped after ${this.#events} events`);
  }

  #state(position: Position | number): VerifyState {
    const { source, upTo, now } = this.#options;
    return {
      source,
      upTo,
      now,
      parts: this.#parts,
      position,
      events: this.#events,
      lastAt: this.#lastAt,
      chains: this.#chains.state(),
      decisions: this.decisions.state(),
      faults: this.#findings.all(),
      faultCount: this.#findings.count,
      months: [...this.#months],
      archiveNotices: this.#archiveNotices,
    };
  }
}

/** Null for a time that no writer gives. */
function monthOfEvent(at: number): Month | null {
  return at > 0 && at < 8e15 ? monthOf(BigInt(at)) : null;
}

/** `<month> <SHA-256> <digest of ranges>` of the notice that a month was archived. A form has other hashes in it, too. */
function archivedIn(form: string): string {
  try {
    const { detail } = JSON.parse(form) as { detail: string }; // as: anything else is caught, or is equal to nothing
    const { month, sha256, ranges } = JSON.parse(detail) as Record<string, string>; // as: likewise
    return `${month} ${sha256} ${ranges}`;
  } catch {
    return '';
  }
}

function notOf(month: Month | null, line: number): string {
  return `its first line says that it is the archive of ${month}, and line ${line} is of another month`;
}
