import { closedFrom } from '../archive/archive-month.ts';
import type { VerifierKey } from '../checkpoints/note.ts';
import { isoFromMicros } from '../timestamp.ts';
import type { CheckpointLogOptions } from './checkpoint-log.ts';
import { Checkpoints } from './checkpoints.ts';
import { type CallEnds, classify } from './classify.ts';
import type { Expected } from './expected.ts';
import { type GivenFile, givenFile } from './given-file.ts';
import { type Finding, Findings, MAX_FINDINGS } from './findings.ts';
import { type Progress, Reading } from './reading.ts';
import type { VerifyState } from './resume.ts';

/** What to verify, by which keys, and how long calls may take. */
export interface VerifyOptions {
  /** Public keys of the signer: the first one is enough, or the newest. */
  readonly keys: readonly VerifierKey[];
  /** What to verify: the database with the months that left it, or files alone. */
  readonly source:
    | { readonly kind: 'database'; readonly readUrl: string; readonly archives: readonly string[] }
    | { readonly kind: 'files'; readonly files: readonly string[] };
  /** The environment whose record it must be, where that is known. */
  readonly environment?: string;
  /** Files of checkpoints that somebody else kept, one line each. */
  readonly kept: readonly string[];
  /** How long an allowed call may be without an outcome, milliseconds. */
  readonly gapAfterMs: number;
  /** Microseconds since the Unix epoch. */
  readonly now: () => bigint;
  /** Told several times a second. */
  readonly onProgress?: (progress: Progress) => void;
  /** Where to keep how far it came, to be gone on with; removed at the end. */
  readonly resume?: string;
  /** Stops it, keeping how far it came. */
  readonly signal?: AbortSignal;
}

/** What a verification found. Its members are those of the command's JSON. */
export interface VerifyReport {
  /** Nothing is wrong. */
  readonly ok: boolean;
  readonly events: number;
  /** Verified ones, wherever they are. */
  readonly checkpoints: number;
  readonly faults: readonly Finding[];
  /** Findings beyond those listed, which are at most 1,000. */
  readonly more: number;
  /** What is no fault, and good to know. */
  readonly reported: {
    readonly chains: number;
    /** RFC 3339, or null when there is none. */
    readonly last_checkpoint: string | null;
    /** Events younger than the last checkpoint: nothing but their own chain holds them. */
    readonly tail: number;
    /** Allowed calls without an outcome that may still get one. */
    readonly open: number;
    /** Calls closed by an outcome that says that nobody knows how they ended. */
    readonly unknown: number;
    /** Months in files that were not given, as the database or the events of an export say: not proved. */
    readonly archived: readonly string[];
    readonly notes: readonly string[];
  };
}

/** How long after it is dated an event may reach the record, if its writer was cut off from it; microseconds. */
const LATE = 3_600_000_000;

/** What verifying a database and verifying files have in common. */
export class Verification {
  readonly options: VerifyOptions;
  /** When it was begun, microseconds. */
  readonly now: number;
  /** How long an allowed call may be without an outcome, microseconds. */
  readonly gapAfter: number;
  /** Of checkpoints, and of what files and the database say of themselves: found anew when it is gone on with. */
  readonly findings = new Findings();
  readonly notes: string[] = [];
  readonly #name: string;
  readonly #begun: VerifyState | null;

  /** @param name of what is verified, and by what */
  constructor(options: VerifyOptions, name: string, begun: VerifyState | null) {
    this.options = options;
    this.#name = name;
    this.#begun = begun;
    this.now = begun?.now ?? Number(options.now());
    this.gapAfter = options.gapAfterMs * 1_000;
  }

  /** No checkpoints yet. @param own what is known of those of the record itself */
  checkpoints(own: Pick<CheckpointLogOptions, 'place' | 'complete'>): Checkpoints {
    const upTo = this.#begun?.upTo ?? Number.MAX_SAFE_INTEGER;
    const { keys, environment = null } = this.options;
    return new Checkpoints(keys, this.findings, upTo, { ...own, environment });
  }

  /** What the first line of a file says it is, if that can be. */
  async givenFile(file: string): Promise<GivenFile> {
    const header = await givenFile(file);
    const { archive, month } = header;
    if (!archive || (month !== null && closedFrom(month) <= this.options.now())) return header;
    const what =
      month === null ? 'an archive of no month' : `the archive of ${month}, which isn't over long enough`;
    this.findings.add('changed', null, null, `${file}: its first line says that it is ${what}`);
    return { ...header, month: null };
  }

  /** What a place says of itself is nobody's word: it must be what the checkpoints say. */
  compareEnvironments(
    { environment }: Checkpoints,
    places: readonly Pick<GivenFile, 'place' | 'environment'>[],
  ): void {
    for (const { place, environment: said } of places) {
      if (environment === null || said === null || said === environment) continue;
      const what = `${place} says that it is of ${said}, and this is the record of ${environment}`;
      this.findings.add('changed', null, null, what);
    }
  }

  /** @param how `environment`: what the place says, for where no checkpoint does */
  expected(checkpoints: Checkpoints, how: Pick<Expected, 'repeats' | 'months' | 'environment'>): Expected {
    const { first } = checkpoints.own;
    const whole = how.months === null;
    const unproved = whole ? checkpoints.unproved()?.end.last : undefined;
    const { last, heads } = (whole ? checkpoints.lastOfAll()?.end : undefined) ?? {};
    return {
      ...how,
      environment: checkpoints.environment ?? how.environment,
      fixed: checkpoints.fixed,
      openedSince: first?.number === 1 ? Number(first.atMicros) : null,
      upTo: checkpoints.upTo,
      chainHeadsAt: unproved === undefined ? null : Number(unproved.atMicros),
      last:
        last === undefined || heads === undefined
          ? null
          : { number: last.number, heads, lateBefore: Number(last.atMicros) - LATE },
    };
  }

  /** @param of about how many events there are */
  reading(expected: Expected, checkpoints: Checkpoints, of: number): Reading {
    const { onProgress = () => {}, resume = null, signal } = this.options;
    const upTo = Math.max(...checkpoints.logs().map((log) => log.highest));
    const how = { source: this.#name, upTo, now: this.now, of, onProgress, resume, signal };
    return new Reading(how, expected, this.#begun);
  }

  /** @param archived months in files that were not given */
  report(
    checkpoints: Checkpoints,
    expected: Expected,
    reading: Reading,
    { archived, ...ends }: CallEnds & { readonly archived: readonly string[] },
  ): VerifyReport {
    const seen = reading.seen();
    const { findings, notes, open, tail } = classify(seen, checkpoints, expected, ends);
    const faults = [...this.findings.all(), ...findings.all()].slice(0, MAX_FINDINGS);
    const count = this.findings.count + findings.count;
    const times = checkpoints.logs().flatMap((log) => log.end.last?.atMicros ?? []);
    const [last] = times.toSorted((a, b) => Number(b - a));
    return {
      ok: count === 0,
      events: seen.events,
      checkpoints: checkpoints.count,
      faults,
      more: count - faults.length,
      reported: {
        chains: seen.chains.size,
        last_checkpoint: last === undefined ? null : isoFromMicros(last),
        tail,
        open,
        unknown: seen.decisions.unknown,
        archived,
        notes: [...this.notes, ...notes],
      },
    };
  }
}
