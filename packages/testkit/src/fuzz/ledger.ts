import { setTimeout as delay } from 'node:timers/promises';
import { Pool } from 'pg';

/** One event of the record. */
export interface Row {
  readonly seq: string;
  readonly kind: 'decision' | 'outcome';
  readonly call_id: string;
  readonly address: string | null;
  readonly method: string | null;
  readonly resource: string | null;
  readonly operation: string | null;
  readonly subject: string | null;
  readonly level: string | null;
  readonly scope_needed: string | null;
  readonly result: string;
  readonly problem: string | null;
  readonly reason: string | null;
  readonly status: number | null;
}

/** What the record says of one connection: its rows by call. */
export type RowsOfCase = ReadonlyMap<
  string,
  { readonly decisions: readonly Row[]; readonly outcomes: readonly Row[] }
>;

/** Reads the record as it grows, and sorts it by the address that each call came from. */
export interface Ledger {
  /** Rows of the calls from an address, forgotten with this call. */
  take(address: string): RowsOfCase;
  /** Decisions that allowed a call from an address, so far. */
  allowedFrom(address: string): readonly Row[];
  /** `performance.now()` when the last look that found nothing new began. */
  caughtUpAt(): number;
  /**
   * `performance.now()` of the newest event. The writer keeps its order, so that whatever happened well before is on
   * record too, however slow the disk is.
   */
  writtenUpTo(): number;
  close(): Promise<void>;
}

type Rows = Map<string, { decisions: Row[]; outcomes: Row[] }>;

const LOOK_EVERY_MS = 50;
const AT_ONCE = 5000;

export function openLedger(databaseUrl: string, onError: (error: unknown) => void): Ledger {
  const pool = new Pool({ connectionString: databaseUrl, max: 1, query_timeout: 30_000 });
  pool.on('error', onError);
  const byAddress = new Map<string, Rows>();
  const addressOf = new Map<string, string>();
  let caughtUp = 0;
  let last = '0';
  let newest = 0;
  const closing = new AbortController();

  async function look(): Promise<void> {
    const began = performance.now();
    const { rows } = await pool.query<Row & { readonly at: Date }>(
      `SELECT seq, kind, call_id, address, method, resource, operation, subject, level, scope_needed, result, problem,
              reason, status, at
       FROM ideogate.audit_event WHERE seq > $1 ORDER BY seq LIMIT ${AT_ONCE}`,
      [last],
    );
    for (const { at, ...row } of rows) {
      file(row);
      newest = Math.max(newest, at.getTime() - performance.timeOrigin);
    }
    last = rows.at(-1)?.seq ?? last;
    if (rows.length < AT_ONCE) caughtUp = began;
  }

  function file(row: Row): void {
    // An outcome doesn't repeat the address: its decision came before it.
    const address =
      row.kind === 'decision' ? (row.address ?? 'none') : (addressOf.get(row.call_id) ?? 'none');
    if (row.kind === 'decision' && isAllowed(row)) addressOf.set(row.call_id, address);
    const calls: Rows = byAddress.get(address) ?? new Map();
    const events = calls.get(row.call_id) ?? { decisions: [], outcomes: [] };
    (row.kind === 'decision' ? events.decisions : events.outcomes).push(row);
    calls.set(row.call_id, events);
    byAddress.set(address, calls);
  }

  const looking = (async () => {
    while (!closing.signal.aborted) {
      await look().catch(onError);
      await delay(LOOK_EVERY_MS);
    }
  })();

  return {
    take(address) {
      const rows = byAddress.get(address) ?? new Map();
      byAddress.delete(address);
      for (const id of rows.keys()) addressOf.delete(id);
      return rows;
    },
    allowedFrom: (address) =>
      [...(byAddress.get(address)?.values() ?? [])].flatMap(({ decisions }) => decisions.filter(isAllowed)),
    caughtUpAt: () => caughtUp,
    writtenUpTo: () => newest,
    async close() {
      closing.abort();
      await looking;
      await pool.end();
    },
  };
}

export function isAllowed({ result }: Row): boolean {
  return result === 'allowed';
}
