import { linesOf, UnreadableFileError } from '../chain/file-lines.ts';
import { type EventOfLine, readLine } from '../chain/ndjson.ts';
import { type Month, startOf } from '../month.ts';
import { ArchiveNotices } from './archive-notices.ts';
import { EventCheck } from './check-events.ts';
import type { Seen } from './classify.ts';
import type { Expected } from './expected.ts';
import { Findings } from './findings.ts';
import { OpenDecisions } from './open-decisions.ts';
import { type VerifyState, writeState } from './resume.ts';
import type { Position, Snapshot } from './snapshot.ts';

/** How far a verification has come. */
export interface Progress {
  readonly events: number;
  /** About how many there are; 0 when nobody knows. */
  readonly of: number;
}

/** `signal` stopped the verification. */
export class InterruptedError extends Error {
  override readonly name = 'InterruptedError';
}

/** What a reading needs to know of the verification it is part of. */
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
  readonly notices: ArchiveNotices;
  readonly #options: ReadingOptions;
  readonly #check: EventCheck;
  readonly #decisions: OpenDecisions;
  /** Of the files. */
  readonly #findings: Findings;
  readonly #begun: VerifyState | null;
  #events: number;
  #lastAt: number;
  #parts = 0;
  #told = 0;
  #saved = performance.now();

  constructor(options: ReadingOptions, expected: Expected, begun: VerifyState | null) {
    this.#options = options;
    this.#begun = begun;
    this.#findings = new Findings(begun?.faults);
    this.#check = new EventCheck(expected, begun?.chains, (begun?.faultCount ?? 0) - this.#findings.count);
    this.#decisions = new OpenDecisions(begun?.decisions);
    this.notices = new ArchiveNotices(begun?.archiveNotices, begun?.months);
    this.#events = begun?.events ?? 0;
    this.#lastAt = begun?.lastAt ?? 0;
  }

  /** The latest time of an event, microseconds; 0 when there is none. */
  get lastAt(): number {
    return this.#lastAt;
  }

  /** All that was seen, once everything is read. */
  seen(): Seen {
    this.#check.end();
    const { chains, dropped } = this.#check;
    return {
      chains,
      dropped,
      findings: this.#findings,
      events: this.#events,
      decisions: this.#decisions.state(),
    };
  }

  /** A part that takes no reading. */
  skip(work: (check: EventCheck) => void): void {
    if (!this.#isRead()) work(this.#check);
    this.#parts += 1;
  }

  /** @param month that all its events must be of, or null */
  async file(file: string, month: Month | null): Promise<void> {
    if (!this.#isRead()) await this.#readFile(file, month);
    this.#parts += 1;
  }

  async database(snapshot: Snapshot): Promise<void> {
    if (!this.#isRead()) {
      const position = this.#position() as Position | null; // as: what this part keeps
      for await (const events of snapshot.events(position)) {
        for (const event of events) this.#take(event);
        const last = events.at(-1);
        if (last !== undefined) this.#pass({ writer: last.writer, seq: last.seq });
      }
    }
    this.#parts += 1;
  }

  async #readFile(file: string, month: Month | null): Promise<void> {
    const [from, to] = month === null ? [0, Infinity] : [Number(startOf(month)), Number(startOf(month, 1))];
    let isOfMonth = true;
    const position = Number(this.#position() ?? 0);
    let number = 0;
    try {
      for await (const lines of linesOf(file)) {
        for (const text of lines) {
          number += 1;
          if (number <= position) continue;
          const event = this.#takeLine(file, number, text);
          if (!isOfMonth || event === null || (event.at >= from && event.at < to)) continue;
          isOfMonth = false;
          const what = `its first line says that it is the archive of ${month}, and line ${number} is of another month`;
          this.#findings.add('changed', null, null, `${file}: ${what}`);
        }
        this.#pass(number);
      }
    } catch (error) {
      if (!(error instanceof UnreadableFileError)) throw error;
      this.#findings.add('changed', null, null, `${file}: ${error.message}`);
    }
  }

  /** Whether this part was read before the verification was stopped. */
  #isRead(): boolean {
    return this.#parts < (this.#begun?.parts ?? 0);
  }

  /** Where to go on in this part. */
  #position(): VerifyState['position'] {
    return this.#parts === this.#begun?.parts ? this.#begun.position : null;
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
    if (this.#check.take(event)) {
      this.#events += 1;
      this.#decisions.take(event);
    }
    if (event.at > this.#lastAt) this.#lastAt = event.at;
    this.notices.take(event);
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
      chains: [...this.#check.chains],
      decisions: this.#decisions.state(),
      faults: this.#findings.all(),
      faultCount: this.#findings.count + this.#check.dropped,
      ...this.notices.state(),
    };
  }
}
