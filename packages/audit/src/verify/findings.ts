/** What can be wrong with a record, as reports call it. */
export type FaultName =
  /** An event isn't what it was: its columns, or the hashes computed again to hide that. */
  | 'changed'
  /** An event, a chain's beginning or a checkpoint is missing from the middle. */
  | 'removed'
  /** An event is there that its writer didn't write. */
  | 'inserted'
  /** Events have changed places. */
  | 'reordered'
  /** A chain ends before a checkpoint says, or is gone. */
  | 'cut-off'
  /** Two histories: two sound events at one place, two signed checkpoints of one number. */
  | 'forked'
  /** The database lacks checkpoints kept elsewhere, and events with them: it was restored from an old backup. */
  | 'rolled-back'
  /** A checkpoint that the signing key didn't sign. */
  | 'forged-checkpoint'
  /** An allowed call that nobody said the end of, past the time it may take. */
  | 'gap';

/** Something that is wrong with the record, as it is told. */
export interface Finding {
  readonly fault: FaultName;
  /** Null when it is about a checkpoint or a file. */
  readonly writer: string | null;
  /** Of the event, or the number of the checkpoint when `writer` is null; null when it is about a file. */
  readonly seq: number | null;
  /** For a person: what is wrong, and where. */
  readonly detail: string;
}

/** More are counted, not kept: whoever broke everything doesn't fill our memory too. */
export const MAX_FINDINGS = 1_000;

/** The findings so far, in the order found. None is taken back. */
export class Findings {
  readonly #list: Finding[];
  #count: number;

  constructor(list: readonly Finding[] = [], count = list.length) {
    this.#list = [...list];
    this.#count = count;
  }

  add(fault: FaultName, writer: string | null, seq: number | null, detail: string): void {
    this.addAll([{ fault, writer, seq, detail }]);
  }

  /** @param more how many there were besides, that nobody kept */
  addAll(findings: readonly Finding[], more = 0): void {
    this.#count += findings.length + more;
    this.#list.push(...findings.slice(0, Math.max(0, MAX_FINDINGS - this.#list.length)));
  }

  all(): readonly Finding[] {
    return this.#list;
  }

  get count(): number {
    return this.#count;
  }
}

/** `event 5`, or `events 5 to 9`. */
export function range(noun: string, from: number, to: number): string {
  return from === to ? `${noun} ${from}` : `${noun}s ${from} to ${to}`;
}
