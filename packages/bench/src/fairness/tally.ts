/** How often what was seen: a status, or how a connection ended without one. */
export class Tally {
  readonly #counts = new Map<string, number>();

  add(what: string): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1);
  }

  counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }
}

/** The most frequent first. */
export function spokenCounts(counts: Readonly<Record<string, number>>): string {
  const sorted = Object.entries(counts).sort(([, one], [, other]) => other - one);
  const spoken = sorted.map(([what, count]) => `${count} × ${what}`);
  return spoken.length === 0 ? 'nothing' : spoken.join(', ');
}
