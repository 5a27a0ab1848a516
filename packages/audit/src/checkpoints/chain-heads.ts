import type { ChainEnd, KnownChain } from './checkpoint-store.ts';
import { digestOfHeads, type Head } from './checkpoint.ts';

interface Chain {
  readonly seq: number;
  readonly hash: string;
  readonly atMicros: bigint | null;
  /** Something may still follow. */
  readonly open: boolean;
}

/** What grew since the last checkpoint. */
export interface Growth {
  readonly heads: readonly Head[];
  readonly events: number;
  /** A writer came or went. */
  readonly turn: boolean;
}

/** Where every chain stood at the last checkpoint. A head never goes back, whatever the database shows. No I/O. */
export class ChainHeads {
  readonly #chains = new Map<string, Chain>();

  /** @param heads as signed checkpoints list them */
  constructor(heads: Iterable<Head> = []) {
    for (const { writer, seq, hash } of heads)
      this.#chains.set(writer, { seq, hash, atMicros: null, open: true });
  }

  /** The chains to ask for. */
  open(): readonly KnownChain[] {
    return [...this.#chains]
      .filter(([, { open }]) => open)
      .map(([writer, { seq, atMicros }]) => ({ writer, seq, atMicros }));
  }

  /** Writers of the chains that nothing follows in. */
  closed(): readonly string[] {
    return [...this.#chains].filter(([, { open }]) => !open).map(([writer]) => writer);
  }

  /** What grew, as far as the last checkpoint knows. */
  growth(ends: readonly ChainEnd[]): Growth {
    const grown = ends.filter(({ writer, seq }) => seq > this.#seq(writer));
    return {
      heads: grown.map(({ writer, seq, hash }) => ({ writer, seq, hash })),
      events: grown.reduce((sum, { writer, seq }) => sum + seq - this.#seq(writer), 0),
      turn: grown.some(({ writer, closed }) => closed || !this.#chains.has(writer)),
    };
  }

  /** The heads once these ends are taken in, which are the answer for all that `open` gave, and for new chains. */
  after(ends: readonly ChainEnd[]): ChainHeads {
    const next = new ChainHeads();
    const found = new Map(ends.map((end) => [end.writer, end]));
    for (const [writer, chain] of this.#chains) {
      // What the database no longer has was archived: nothing follows there.
      next.#chains.set(writer, found.has(writer) ? chain : { ...chain, open: false });
    }
    for (const { writer, seq, hash, atMicros, closed } of ends) {
      const kept = seq > this.#seq(writer) ? { seq, hash } : this.#chains.get(writer);
      if (kept !== undefined)
        next.#chains.set(writer, { seq: kept.seq, hash: kept.hash, atMicros, open: !closed });
    }
    return next;
  }

  heads(): readonly Head[] {
    return [...this.#chains].map(([writer, { seq, hash }]) => ({ writer, seq, hash }));
  }

  digest(): string {
    return digestOfHeads(this.heads());
  }

  get count(): number {
    return this.#chains.size;
  }

  #seq(writer: string): number {
    return this.#chains.get(writer)?.seq ?? 0;
  }
}
