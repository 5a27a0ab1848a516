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

export interface Fault {
  readonly fault: FaultName;
  /** Null when it is about a checkpoint or a file. */
  readonly writer: string | null;
  /** Of the event, or the number of the checkpoint when `writer` is null; null when it is about a file. */
  readonly seq: number | null;
  /** For a person: what is wrong, and where. */
  readonly detail: string;
}

/** More are counted, not kept: whoever broke everything doesn't fill our memory too. */
export const MAX_FAULTS = 1_000;

/** The faults found so far, in the order found. */
export class Findings {
  readonly #faults: Fault[];
  #count: number;

  constructor(faults: readonly Fault[] = [], count = faults.length) {
    this.#faults = [...faults];
    this.#count = count;
  }

  add(fault: FaultName, writer: string | null, seq: number | null, detail: string): void {
    this.#count += 1;
    if (this.#faults.length < MAX_FAULTS) this.#faults.push({ fault, writer, seq, detail });
  }

  /** Whether anything was found in these events of a writer. */
  has(writer: string, from: number, to: number): boolean {
    return this.#faults.some(
      ({ writer: of, seq }) => of === writer && seq !== null && seq >= from && seq <= to,
    );
  }

  /** Takes back what was said of these events of a writer: it has a better name. */
  retract(writer: string, from: number, to: number): void {
    for (let index = this.#faults.length - 1; index >= 0; index--) {
      const { writer: of, seq } = this.#faults[index] ?? { writer: null, seq: null };
      if (of !== writer || seq === null || seq < from || seq > to) continue;
      this.#faults.splice(index, 1);
      this.#count -= 1;
    }
  }

  all(): readonly Fault[] {
    return this.#faults;
  }

  get count(): number {
    return this.#count;
  }
}
