import { digestOfRanges } from '../archive/archive-file.ts';
import type { EventOfLine } from '../chain/ndjson.ts';
import { type Month, monthOf, startOf } from '../month.ts';
import type { ArchivedMonth } from './snapshot.ts';

/** What the record itself says of months that left it, and the months that it has events of. */
export class ArchiveNotices {
  /** `<month> <SHA-256> <digest of ranges>`, one for each notice. */
  readonly #said: string[];
  readonly #months: Set<string>;
  /** The month of the last event: first instant, and that of the next, microseconds. */
  #month = { from: 0, to: 0 };

  constructor(said: readonly string[] = [], months: readonly string[] = []) {
    this.#said = [...said];
    this.#months = new Set(months);
  }

  take({ at, kind, result, form }: EventOfLine): void {
    if (at < this.#month.from || at >= this.#month.to) this.#enterMonth(at);
    if (result === 'month-archived' && kind === 'notice') this.#said.push(archivedIn(form));
  }

  state(): { readonly archiveNotices: readonly string[]; readonly months: readonly string[] } {
    return { archiveNotices: this.#said, months: [...this.#months] };
  }

  /** Months of which an event says that they went into a file with what they held, and of which no event was here. */
  elsewhere(): readonly string[] {
    const held = this.#said.filter((notice) => !notice.endsWith(` ${digestOfRanges([])}`));
    const months = new Set(held.flatMap((notice) => notice.split(' ')[0] || []));
    return [...months].filter((month) => !this.#months.has(month)).toSorted();
  }

  /** Whether an event says that just these pieces of chains went into this file, and none says otherwise. */
  confirm({ month, sha256, ranges }: ArchivedMonth): boolean {
    const digest = digestOfRanges(ranges);
    const said = this.#said.filter((notice) => notice.startsWith(`${month} `));
    const isSame = (notice: string) => notice.endsWith(` ${digest}`);
    return said.includes(`${month} ${sha256} ${digest}`) && said.every(isSame);
  }

  #enterMonth(at: number): void {
    // Of a time that no writer gives there is no month.
    if (at <= 0 || at >= 8e15) return;
    const month: Month = monthOf(BigInt(at));
    this.#months.add(month);
    this.#month = { from: Number(startOf(month)), to: Number(startOf(month, 1)) };
  }
}

/** What the notice says by which a month was archived. A form has other hashes in it, too. */
function archivedIn(form: string): string {
  try {
    const { detail } = JSON.parse(form) as { detail: string }; // as: anything else is caught, or is equal to nothing
    const { month, sha256, ranges } = JSON.parse(detail) as Record<string, string>; // as: likewise
    return `${month} ${sha256} ${ranges}`;
  } catch {
    return '';
  }
}
