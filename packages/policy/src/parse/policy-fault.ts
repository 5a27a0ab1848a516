import { didYouMean } from '@ideogate/contract';
import { compareText } from '../release.ts';

/** Where something stands in a policy file. Line and column count from 1, columns in UTF-16 code units. */
export interface Position {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** One thing wrong with a policy file. */
export interface PolicyFault extends Position {
  readonly message: string;
  /** What was probably meant. */
  readonly suggestion?: string;
}

/** `file:line:column: message (did you mean …?)`, one line. */
export function formatFault(fault: PolicyFault): string {
  const hint = fault.suggestion === undefined ? '' : ` (did you mean ${fault.suggestion}?)`;
  return `${fault.file}:${fault.line}:${fault.column}: ${fault.message}${hint}`;
}

/** By file, then by position in it, then by text: the order in which a person fixes them. */
export function compareFaults(a: PolicyFault, b: PolicyFault): number {
  return (
    compareText(a.file, b.file) || a.line - b.line || a.column - b.column || compareText(a.message, b.message)
  );
}

/** Collects faults, each with its position. */
export class FaultList {
  readonly #faults: PolicyFault[] = [];

  /** @param suggestion what was probably meant */
  add(at: Position, message: string, suggestion?: string): void {
    this.#faults.push({ ...at, message, ...(suggestion === undefined ? {} : { suggestion }) });
  }

  /** As `add`, for a word outside a known set: suggests the nearest one. */
  addUnknown(at: Position, what: string, written: string, known: readonly string[]): void {
    this.add(at, `unknown ${what} ${quote(written)}`, didYouMean(written, known));
  }

  /** In the order in which they were found. */
  get all(): readonly PolicyFault[] {
    return this.#faults;
  }
}

/** A word from the file as a message shows it: short, on one line, and never something that looks like a secret. */
export function quote(written: string): string {
  if (LOOKS_SECRET.test(written) || HIDDEN.test(written)) return '(not shown)';
  const short = written.length > 60 ? `${written.slice(0, 60)}…` : written;
  return JSON.stringify(short);
}

/** `file:line`, as rules are named in decisions and in the record. */
export function ruleAt(at: Position): string {
  return `${at.file}:${at.line}`;
}

/**
 * Control characters, marks that nobody sees, and line ends that are one to an editor and none to YAML 1.2 (or the
 * other way round): behind `# a comment` such a line shows a restriction that is not there.
 */
export const HIDDEN = /\r(?!\n)|(?![\t\n\r])\p{Cc}|[\p{Cf}\p{Zl}\p{Zp}]/u;
/** A JSON Web Token, an authorization header, or a PEM block: never at home in a policy. */
export const LOOKS_SECRET = /eyJ[\w-]{8,}\.|\b(?:bearer|dpop|basic)\s+\S{8}|-----BEGIN /iu;
