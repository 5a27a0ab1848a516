/** One thing wrong with a policy file. Line and column count from 1, columns in UTF-16 code units. */
export interface PolicyFault {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
  /** What was probably meant. */
  readonly suggestion?: string;
}

/** `file:line:column: message (did you mean …?)`, one line. */
export function formatFault(fault: PolicyFault): string {
  const hint = fault.suggestion === undefined ? '' : ` (did you mean ${fault.suggestion}?)`;
  return `${fault.file}:${fault.line}:${fault.column}: ${fault.message}${hint}`;
}

/** By file, then by place in it, then by text: the order in which a person fixes them. */
export function compareFaults(a: PolicyFault, b: PolicyFault): number {
  return (
    compareText(a.file, b.file) || a.line - b.line || a.column - b.column || compareText(a.message, b.message)
  );
}

/** Order by code unit, the same on every machine (`localeCompare` is not). */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
