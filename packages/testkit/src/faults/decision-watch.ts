import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from 'pg';
import { connected } from './patient-session.ts';

/**
 * Looks, for every call that arrives at the upstream, whether its decision is committed by then: in the end it would
 * be there also if it had been written too late. Each look begins after the arrivals it asks about, so a decision
 * that came in time is always seen; one that came too late is caught whenever something holds up its commit.
 */
export class DecisionWatch {
  /** Markers of calls that arrived before their decision was committed. */
  readonly early: string[] = [];
  readonly #url: string;
  #unseen: string[] = [];
  #looking: Promise<void> | undefined;

  /** @param url the superuser's, past the relay */
  constructor(url: string) {
    this.#url = url;
  }

  arrived(marker: string): void {
    this.#unseen.push(marker);
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
  }

  /** Resolves when every arrival so far has been looked at. */
  async done(): Promise<void> {
    await this.#looking;
  }

  async #look(): Promise<void> {
    let client: Client | undefined;
    while (this.#unseen.length > 0) {
      const asked = this.#unseen;
      try {
        client ??= await connected(this.#url);
        this.#unseen = [];
        const decided = await decidedOf(client, asked);
        this.early.push(...asked.filter((marker) => !decided.has(marker)));
      } catch {
        // The server may be away: what was committed is there when it is back.
        this.#unseen = [...asked, ...this.#unseen.filter((marker) => !asked.includes(marker))];
        await client?.end().catch(() => undefined);
        client = undefined;
        await delay(20);
      }
    }
    await client?.end().catch(() => undefined);
  }
}

async function decidedOf(client: Client, markers: readonly string[]): Promise<ReadonlySet<string>> {
  const { rows } = await client.query<{ trace_id: string }>(
    `SELECT trace_id FROM ideogate.audit_event
     WHERE kind = 'decision' AND result = 'allowed' AND trace_id = ANY ($1)`,
    [markers],
  );
  return new Set(rows.map(({ trace_id }) => trace_id));
}
