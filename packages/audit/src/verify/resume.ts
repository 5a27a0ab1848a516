import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import type { ChainsState } from './check-events.ts';
import type { Finding } from './findings.ts';
import type { DecisionsState } from './open-decisions.ts';
import type { Position } from './snapshot.ts';

/** How far a verification came. */
export interface VerifyState {
  /** What is verified: another thing can't be gone on with. */
  readonly source: string;
  /** The last checkpoint that counts: later ones fix events that the parts already read didn't have. */
  readonly upTo: number;
  /** When it was begun, microseconds: what was read then may have gone on since. */
  readonly now: number;
  /** Parts read to their end. */
  readonly parts: number;
  /** How far the part after them was read: lines of a file, or a place in the database. */
  readonly position: Position | number | null;
  readonly events: number;
  /** The latest time of an event, microseconds. */
  readonly lastAt: number;
  readonly chains: ChainsState;
  readonly decisions: DecisionsState;
  /** What is wrong with files. */
  readonly faults: readonly Finding[];
  /** How many of those there are, and of anomalies that weren't kept. */
  readonly faultCount: number;
  /** Months of which there were events. */
  readonly months: readonly string[];
  /** What the notices say by which months were archived: `<month> <SHA-256> <digest of ranges>`. */
  readonly archiveNotices: readonly string[];
}

/** A file is not the state of this verification. */
export class ResumeError extends Error {
  override readonly name = 'ResumeError';
}

/**
 * What a file of `writeState` holds; null when there is none.
 * @throws ResumeError when it is of something else
 */
export function readState(file: string, source: string): VerifyState | null {
  if (!existsSync(file)) return null;
  const state = stateIn(readFileSync(file, 'utf8'));
  if (state === null) throw new ResumeError(`${file} does not hold the state of a verification`);
  if (state.source === source) return state;
  throw new ResumeError(
    `${file} holds the state of verifying something else, or by other keys or checkpoints`,
  );
}

function stateIn(text: string): VerifyState | null {
  try {
    const state = JSON.parse(text) as Partial<VerifyState> | null; // as: its members are looked at below
    const { upTo, now, parts, events, lastAt, faultCount } = state ?? {};
    const { chains, decisions, faults, archiveNotices, months } = state ?? {};
    const whole =
      [upTo, now, parts, events, lastAt, faultCount].every(Number.isSafeInteger) &&
      [chains, faults, archiveNotices, months].every(Array.isArray) &&
      chains?.every(([, chain]) => 'anomalies' in chain) === true &&
      typeof decisions === 'object';
    return whole ? (state as VerifyState) : null; // as: written by writeState, whole or not at all
  } catch {
    return null;
  }
}

/** Whole or not at all. */
export function writeState(file: string, state: VerifyState): void {
  const temporary = `${file}.${process.pid}.tmp`;
  writeFileSync(temporary, JSON.stringify(state), { mode: 0o600 });
  renameSync(temporary, file);
}

/** To be called when the verification has come to its end. */
export function removeState(file: string): void {
  rmSync(file, { force: true });
}
