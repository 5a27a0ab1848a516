/** `unknown`: it could not be looked at, which is no proof of anything. */
export type FindingStatus = 'ok' | 'warning' | 'fault' | 'unknown';

/** What a check found: what was seen, and what mends it. Neither holds a secret. */
export interface Finding {
  readonly status: FindingStatus;
  readonly evidence: string;
  /** The command, or what to do, that mends it; null where nothing is to be mended. */
  readonly mend: string | null;
}

/** Nothing to mend. @param evidence what was seen that shows it */
export function ok(evidence: string): Finding {
  return { status: 'ok', evidence, mend: null };
}

/** It works, and is not as it should be. */
export function warning(evidence: string, mend: string): Finding {
  return { status: 'warning', evidence, mend };
}

/** Something is wrong. @param mend what to do, in a sentence */
export function fault(evidence: string, mend: string): Finding {
  return { status: 'fault', evidence, mend };
}

/** It could not be looked at. @param mend what to do so that it can be */
export function unknown(evidence: string, mend: string): Finding {
  return { status: 'unknown', evidence, mend };
}

/** What every check says that needs the running product when there is none. */
export const NOT_RUNNING: Finding = unknown(
  'Ideogate does not run on this data folder',
  'pnpm start, or name its data folder in IDEOGATE_DATA',
);

/** What every check says that needs the settings when they cannot be read. */
export const NO_SETTINGS: Finding = unknown(
  'the settings cannot be read (see set-up)',
  'mend what set-up names first',
);
