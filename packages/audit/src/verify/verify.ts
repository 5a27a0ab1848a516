import { statSync } from 'node:fs';
import { digestOfFile } from '../archive/archive-file.ts';
import { CLOCK_MARGIN_MICROS, closedFrom } from '../archive/archive-month.ts';
import { readLine } from '../chain/ndjson.ts';
import type { VerifierKey } from '../checkpoints/note.ts';
import { type Month, monthsFrom, parseMonth, startOf } from '../month.ts';
import { isoFromMicros } from '../timestamp.ts';
import { Chains, type ChainsOptions } from './chains.ts';
import {
  concludeDecisions,
  concludeEnds,
  concludeNoCheckpoints,
  concludeStanding,
  concludeStrays,
  concludeTails,
  unprovedTrail,
} from './conclusions.ts';
import { type CheckpointFile, Evidence, type OwnCheckpoints } from './evidence.ts';
import { type Fault, Findings, MAX_FAULTS } from './findings.ts';
import { type ArchivedMonth, openSnapshot } from './in-database.ts';
import { linesOf, UnreadableFileError } from './in-files.ts';
import { type Progress, Reading } from './reading.ts';
import { range } from './trail.ts';
import { readState, removeState, type VerifyState } from './resume.ts';

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

export interface VerifyReport {
  /** Nothing is wrong. */
  readonly ok: boolean;
  readonly events: number;
  /** Genuine ones, wherever they are. */
  readonly checkpoints: number;
  readonly faults: readonly Fault[];
  /** Faults beyond those listed, which are at most 1,000. */
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

/**
 * Verifies the whole record, in memory that doesn't grow with the number of events.
 * @throws InterruptedError when `signal` stopped it; ResumeError; what the network, Postgres or the file system says
 *   when something can't be read at all
 */
export async function verifyRecord(options: VerifyOptions): Promise<VerifyReport> {
  // Before the view of the database is taken: what is in them by then must be in it too.
  const kept = options.kept.map((file) => ({ file, bytes: sizeOf(file), required: true }));
  const name = nameOf(options);
  const begun = options.resume === undefined ? null : readState(options.resume, name);
  const verification = new Verification(options, name, begun);
  const { source } = options;
  const report =
    source.kind === 'files'
      ? await verification.files(source.files, kept)
      : await verification.database(source.readUrl, source.archives, kept);
  if (options.resume !== undefined) removeState(options.resume);
  return report;
}

/** Of a pipe nobody knows. */
function sizeOf(file: string): number {
  const stat = statSync(file);
  return stat.isFile() ? stat.size : Number.POSITIVE_INFINITY;
}

/** What is verified, and by what. */
function nameOf({ source, keys, kept }: VerifyOptions): string {
  return [placeOf(source), ...keys.map(({ text }) => text), ...kept].join(', ');
}

function placeOf(source: VerifyOptions['source']): string {
  if (source.kind === 'files') return source.files.map((file) => `${file} ${statSync(file).size}`).join(', ');
  const { host, pathname } = new URL(source.readUrl);
  return [`${host}${pathname}`, ...source.archives].join(', ');
}

class Verification {
  readonly #options: VerifyOptions;
  readonly #name: string;
  readonly #begun: VerifyState | null;
  /** Of checkpoints, found anew when it is gone on with. */
  readonly #findings = new Findings();
  /** Of events. */
  readonly #eventFindings: Findings;
  readonly #notes: string[] = [];
  /** When it was begun, microseconds. */
  readonly #now: number;

  constructor(options: VerifyOptions, name: string, begun: VerifyState | null) {
    this.#options = options;
    this.#name = name;
    this.#begun = begun;
    this.#now = begun?.now ?? Number(options.now());
    this.#eventFindings = new Findings(begun?.faults, begun?.faultCount);
  }

  async database(
    readUrl: string,
    archives: readonly string[],
    kept: readonly CheckpointFile[],
  ): Promise<VerifyReport> {
    const snapshot = await openSnapshot(readUrl);
    try {
      const said = await snapshot.environment();
      const headers = await Promise.all(archives.map((archive) => this.#headerOf(archive)));
      const months = await snapshot.archivedMonths();
      const marks = months.map(({ month }) => fixedFrom(month));
      this.#requireClosed(months);
      const evidence = this.#evidence({ place: 'the database', complete: true, marks });
      for await (const { number, note } of snapshot.checkpoints()) evidence.takeOwn(number, note);
      evidence.own.end();
      for (const file of kept) await evidence.takeKept(file);
      for (const { place: file, month } of headers)
        await evidence.takeKept({ file, readLater: months.some((archived) => archived.month === month) });
      evidence.settle();
      this.#compareEnvironments(evidence, [{ place: 'the database', environment: said }, ...headers]);
      const chains = this.#chains(evidence, { repeats: false, partial: null, environment: said });
      const reading = this.#reading(chains, evidence, await snapshot.estimate());
      const absent = await this.#readMonths(months, headers, chains, reading, evidence);
      await reading.database(snapshot);
      this.#requireNotices(months, absent, reading);
      const before = this.#now - this.#gapAfter;
      return this.#report(evidence, chains, reading, { mayEnd: (at) => at >= before, absent });
    } finally {
      await snapshot.close();
    }
  }

  async files(files: readonly string[], kept: readonly CheckpointFile[]): Promise<VerifyReport> {
    // Exports have all checkpoints; those of archives are told again.
    const headers = (await Promise.all(files.map((file) => this.#headerOf(file)))).toSorted(exportsFirst);
    const months = headers.flatMap(({ month }) => month ?? []).toSorted();
    const exports = headers.filter(({ month }) => month === null);
    const part = exports.length > 0 ? null : partOf(months);
    const own = { place: 'the file', complete: part === null, marks: part?.marks ?? [] };
    const evidence = this.#evidence(own);
    const lines = { others: 0, lastAt: 0 };
    for (const { place, month } of headers) {
      const { others, lastAt, numbers } = await this.#takeCheckpoints(place, evidence);
      lines.others += others;
      lines.lastAt = Math.max(lines.lastAt, lastAt);
      if (month !== null) this.#requireNumbers(place, numbers);
    }
    evidence.own.end();
    const madeAt = timeOf(exports, lines.lastAt);
    for (const file of kept) await evidence.takeKept({ ...file, madeAt });
    if (evidence.younger > 0 && madeAt !== null)
      this.#notes.push(
        `${evidence.younger} checkpoints that were kept are younger than the export, which was made at ${isoFromMicros(BigInt(madeAt))}: what came after that is not in it`,
      );
    evidence.settle();
    this.#compareEnvironments(evidence, headers);
    const partial = part && {
      lastFrom: part.lastFrom,
      upTo: evidence.lastBefore(part.last),
      within: part.within.flatMap(([from, to]) => {
        const first = evidence.firstFrom(from);
        return first === undefined ? [] : ([[first, evidence.lastBefore(to)]] as const);
      }),
      lacksBetween: part.lacksBetween,
    };
    const said = headers.find(({ environment }) => environment !== null)?.environment ?? null;
    const chains = this.#chains(evidence, { repeats: true, partial, environment: said });
    const reading = this.#reading(chains, evidence, lines.others);
    for (const { place, month } of headers.toSorted(inOrderOfMonths)) await reading.file(place, month);
    // The times were looked for as text, as they stand in the form that was hashed.
    if (reading.lastAt > lines.lastAt)
      this.#findings.add('changed', null, null, 'a line of an event is not in the form that was hashed');
    if (part !== null)
      this.#notes.push(`only ${months.join(', ')} was given: of the record around that nothing is proved`);
    // What the file says of itself is nobody's word: an early time would make every gap one that may still be closed.
    const before = Math.max(latest(headers.map(({ at }) => at)) ?? 0, reading.lastAt) - this.#gapAfter;
    return part === null
      ? this.#report(evidence, chains, reading, {
          mayEnd: (at) => at >= before,
          archived: reading.elsewhere().filter((month) => !months.some((given) => given === month)),
        })
      : this.#report(evidence, chains, reading, { mayEnd: (at) => part.mayEndElsewhere(at, this.#gapAfter) });
  }

  get #gapAfter(): number {
    return this.#options.gapAfterMs * 1_000;
  }

  #evidence(own: Omit<OwnCheckpoints, 'environment'>): Evidence {
    const upTo = this.#begun?.upTo ?? Number.MAX_SAFE_INTEGER;
    const { keys, environment = null } = this.#options;
    return new Evidence(keys, this.#findings, upTo, { ...own, environment });
  }

  /** What a place says of itself is nobody's word: it must be what the checkpoints say. */
  #compareEnvironments(
    { environment }: Evidence,
    places: readonly Pick<Header, 'place' | 'environment'>[],
  ): void {
    if (environment === null) return;
    for (const { place, environment: said } of places)
      if (said !== null && said !== environment)
        this.#findings.add(
          'changed',
          null,
          null,
          `${place} says that it is of ${said}, and this is the record of ${environment}`,
        );
  }

  /** @param how `environment`: what the place says, for where no checkpoint does */
  #chains(evidence: Evidence, how: Pick<ChainsOptions, 'repeats' | 'partial' | 'environment'>): Chains {
    const first = evidence.own.first();
    const unproved = how.partial !== null ? undefined : unprovedTrail(evidence)?.last();
    const lastOfAll = how.partial !== null ? undefined : evidence.lastOfAll();
    return new Chains(
      {
        ...how,
        environment: evidence.environment ?? how.environment,
        fixed: evidence.fixed,
        findings: this.#eventFindings,
        openedSince: first?.number === 1 ? Number(first.atMicros) : null,
        lastHeads: lastOfAll?.heads().known ?? null,
        upTo: evidence.upTo,
        standingAt: unproved === undefined ? null : Number(unproved.atMicros),
      },
      this.#begun?.chains,
    );
  }

  #reading(chains: Chains, evidence: Evidence, of: number): Reading {
    const { onProgress = () => {}, resume = null, signal } = this.#options;
    const upTo = Math.max(...evidence.trails().map((trail) => trail.highest));
    const options = { source: this.#name, upTo, now: this.#now, of, onProgress, resume, signal };
    return new Reading(options, chains, this.#eventFindings, this.#begun);
  }

  /** What the database says has left must have been over. */
  #requireClosed(months: readonly ArchivedMonth[]): void {
    for (const { month } of months) {
      if (closedFrom(month) <= this.#now) continue;
      const what = `the database says that month ${month} left it, which isn't over long enough`;
      this.#findings.add('removed', null, null, what);
    }
  }

  /** An archive has the checkpoints of its month without a hole, and the one after it. */
  #requireNumbers(file: string, numbers: readonly number[]): void {
    if (numbers.length === 0)
      this.#findings.add('removed', null, null, `${file} holds no checkpoint, and so no proof of anything`);
    for (const [index, number] of numbers.entries()) {
      const before = numbers[index - 1];
      if (before !== undefined && number > before + 1)
        this.#findings.add(
          'removed',
          null,
          before + 1,
          `${file} lacks ${range('checkpoint', before + 1, number - 1)}`,
        );
    }
  }

  /** Takes the checkpoints out of a file of the record. @returns how many other lines it has, and their last time */
  async #takeCheckpoints(
    file: string,
    evidence: Evidence,
  ): Promise<{ readonly others: number; readonly lastAt: number; readonly numbers: readonly number[] }> {
    let others = 0;
    let lastAt = 0;
    const numbers: number[] = [];
    try {
      for await (const lines of linesOf(file)) {
        for (const text of lines) {
          const line = text.startsWith('{"checkpoint"') ? readLine(text) : null;
          if (line?.kind === 'checkpoint') {
            numbers.push(evidence.takeOwn(null, line.note) ?? Number.NaN);
          } else {
            others += 1;
            lastAt = Math.max(lastAt, timeOfLine(text));
          }
        }
      }
    } catch (error) {
      // Said when its events are read.
      if (!(error instanceof UnreadableFileError)) throw error;
    }
    return { others, lastAt, numbers };
  }

  /** Reads the months that left the database from their files. @returns those whose file wasn't given */
  async #readMonths(
    months: readonly ArchivedMonth[],
    headers: readonly Header[],
    chains: Chains,
    reading: Reading,
    evidence: Evidence,
  ): Promise<readonly ArchivedMonth[]> {
    const absent: ArchivedMonth[] = [];
    for (const month of months) {
      const given = headers.filter((header) => header.month === month.month);
      for (const { place } of given) await this.#compareFile(place, month);
      const [file] = given;
      if (file !== undefined) {
        await reading.file(file.place, month.month);
        continue;
      }
      absent.push(month);
      const settled = evidence.firstFrom(fixedFrom(month.month));
      reading.skip(() => {
        for (const each of month.ranges) chains.skip(each, month.month, settled);
      });
    }
    const left = new Set<string | null>(months.map(({ month }) => month));
    for (const { month, place: file } of headers.filter((header) => !left.has(header.month)))
      this.#notes.push(
        month === null
          ? `${file} is not the archive of a month: it was looked at for checkpoints alone`
          : `${file} was not read: month ${month} is still in the database`,
      );
    return absent;
  }

  /** What the first line of a file says it is, if that can be. */
  async #headerOf(file: string): Promise<Header> {
    const header = await headerOf(file);
    const { month } = header;
    if (!header.archive || (month !== null && closedFrom(month) <= this.#options.now())) return header;
    const what =
      month === null ? 'an archive of no month' : `the archive of ${month}, which isn't over long enough`;
    this.#findings.add('changed', null, null, `${file}: its first line says that it is ${what}`);
    return { ...header, month: null };
  }

  /** Some bytes of a compressed file say nothing of its content, so a file may be changed and its events be whole. */
  async #compareFile(file: string, { month, sha256 }: ArchivedMonth): Promise<void> {
    const found = await digestOfFile(file);
    if (found.sha256 === sha256) return;
    this.#findings.add(
      'changed',
      null,
      null,
      `${file} is not the file that month ${month} was archived to: its SHA-256 is ${found.sha256}, and was ${sha256}`,
    );
  }

  /** What left with a month, and where to, must be said by the record itself: what the database says could be false. */
  #requireNotices(
    months: readonly ArchivedMonth[],
    absent: readonly ArchivedMonth[],
    reading: Reading,
  ): void {
    for (const archived of months) {
      if (reading.saysArchived(archived)) continue;
      const { month, file } = archived;
      // It is said two months later at the earliest, which may have left since.
      const [elsewhere] = absent.filter((later) => later.month >= monthsFrom(month, 2));
      if (elsewhere !== undefined) {
        this.#notes.push(
          `what left with month ${month} is said in a month that was not given, ${elsewhere.month} or a later one`,
        );
        continue;
      }
      this.#findings.add(
        'removed',
        null,
        null,
        `month ${month} left the database, and no event of the record says that it went as it is now said to have, into ${file}`,
      );
    }
  }

  #report(
    evidence: Evidence,
    chains: Chains,
    reading: Reading,
    how: {
      /** Whether the end of a call that was allowed then may still be told, or elsewhere. */
      readonly mayEnd: (at: number) => boolean;
      /** Months that the database says are in files, which weren't given. */
      readonly absent?: readonly ArchivedMonth[];
      /** Default: those that are absent. */
      readonly archived?: readonly string[];
    },
  ): VerifyReport {
    const { mayEnd, absent = [], archived = absent.map(({ month }) => month) } = how;
    const partial = this.#options.source.kind === 'files' && !evidence.own.complete;
    const findings = this.#eventFindings;
    chains.end();
    const ends = concludeEnds(chains, evidence, findings, partial);
    const unproved = partial ? undefined : unprovedTrail(evidence);
    const standing = unproved === undefined ? null : concludeStanding(unproved, chains, findings);
    for (const note of [ends, standing]) if (note !== null) this.#notes.push(note);
    // Where all are forged, that is what there is to say.
    if (this.#findings.count === 0) concludeNoCheckpoints(evidence, reading.events, findings);
    if (!partial) concludeTails(evidence, chains, findings);
    if (!partial) concludeStrays(reading.decisions, endOfLast(absent) + this.#gapAfter, findings);
    const open = concludeDecisions(reading.decisions, mayEnd, findings);
    const faults = [...this.#findings.all(), ...findings.all()].slice(0, MAX_FAULTS);
    const count = this.#findings.count + findings.count;
    const last = latest(evidence.trails().map((trail) => numberOrNull(trail.last()?.atMicros)));
    return {
      ok: count === 0,
      events: reading.events,
      checkpoints: evidence.count,
      faults,
      more: count - faults.length,
      reported: {
        chains: chains.count,
        last_checkpoint: last === null ? null : isoFromMicros(BigInt(last)),
        tail: chains.tail(),
        open,
        unknown: reading.decisions.unknown,
        archived,
        notes: this.#notes,
      },
    };
  }
}

interface Header {
  /** The file. */
  readonly place: string;
  readonly archive: boolean;
  /** The archive's month, or null when it isn't one. */
  readonly month: Month | null;
  /** Or null when it doesn't say. */
  readonly environment: string | null;
  /** When its content was read, microseconds, or null when it doesn't say. */
  readonly at: number | null;
}

/** What the first line of a file says it is. */
async function headerOf(file: string): Promise<Header> {
  const none = { place: file, archive: false, month: null, environment: null, at: null };
  try {
    for await (const [first] of linesOf(file)) {
      const line = readLine(first ?? '');
      if (line.kind !== 'archive' && line.kind !== 'export') return none;
      const { at, month, environment } = line.about;
      const archive = line.kind === 'archive';
      return {
        place: file,
        archive,
        month: archive && typeof month === 'string' ? (parseMonth(month) ?? null) : null,
        environment: typeof environment === 'string' ? environment : null,
        at: typeof at === 'string' && /^[0-9]{1,16}$/.test(at) ? Number(at) : null,
      };
    }
  } catch (error) {
    // Said when its events are read.
    if (!(error instanceof UnreadableFileError)) throw error;
  }
  return none;
}

/** Months without the record around them. */
interface MonthsAlone {
  /** Times around which to know the checkpoints, microseconds. */
  readonly marks: readonly bigint[];
  /** When the last of them began. */
  readonly lastFrom: number;
  /** Checkpoints before it can fix nothing after the last of them. */
  readonly last: bigint;
  /** Between these times checkpoints were signed that fix what the months hold. */
  readonly within: readonly (readonly [bigint, bigint])[];
  /** Whether the end of a call that was allowed then may be told in a month that wasn't given. */
  readonly mayEndElsewhere: (at: number, gapAfter: number) => boolean;
  /** Whether a month between these times was not given. */
  readonly lacksBetween: (from: number, to: number) => boolean;
}

const DAY_MICROS = 86_400_000_000n;

/** @param months in their order */
function partOf(months: readonly Month[]): MonthsAlone | null {
  const lastMonth = months.at(-1);
  if (lastMonth === undefined) return null;
  const within = months.map(
    (month) => [startOf(month) + DAY_MICROS, startOf(month, 1) - CLOCK_MARGIN_MICROS] as const,
  );
  const last = startOf(lastMonth, 1) - CLOCK_MARGIN_MICROS;
  const ends = months
    .filter((month) => !months.includes(monthsFrom(month, 1)))
    .map((month) => Number(startOf(month, 1)));
  return {
    marks: [...within.flat(), last],
    lastFrom: Number(startOf(lastMonth)),
    last,
    within,
    // A gateway that was killed is closed by another, perhaps when somebody comes in the morning.
    mayEndElsewhere: (at, gapAfter) =>
      ends.some((end) => at < end && at >= end - Math.max(gapAfter, Number(DAY_MICROS))),
    lacksBetween: (from, to) => ends.some((end) => from < end && to >= end),
  };
}

/** The first checkpoint from then on fixes all of a month: a day is for gateways that were cut off at its end. */
function fixedFrom(month: Month): bigint {
  return startOf(month, 1) + DAY_MICROS;
}

/** When exports were made: as they say, if they do, and never before the last event. Null when nobody can say. */
function timeOf(exports: readonly Header[], lastAt: number): number | null {
  const at = Math.max(lastAt, ...exports.map((header) => header.at ?? 0));
  return exports.length === 0 || at === 0 ? null : at;
}

/** The time in the line of an event; 0 in any other. Within a text, quotes are escaped. */
function timeOfLine(text: string): number {
  const at = /^\{"(?:archive|export)"/.test(text) ? -1 : text.indexOf('"at":"');
  return at === -1 ? 0 : Number.parseInt(text.slice(at + 6, at + 22), 10) || 0;
}

function exportsFirst(a: Header, b: Header): number {
  return (a.month ?? '').localeCompare(b.month ?? '');
}

function inOrderOfMonths(a: Header, b: Header): number {
  return (a.month ?? '9999').localeCompare(b.month ?? '9999');
}

/** When the last of these months ended, microseconds; 0 when there are none. */
function endOfLast(months: readonly ArchivedMonth[]): number {
  return Math.max(0, ...months.map(({ month }) => Number(startOf(month, 1))));
}

function latest(times: readonly (number | null)[]): number | null {
  const known = times.filter((time) => time !== null);
  return known.length === 0 ? null : Math.max(...known);
}

function numberOrNull(value: bigint | undefined): number | null {
  return value === undefined ? null : Number(value);
}
