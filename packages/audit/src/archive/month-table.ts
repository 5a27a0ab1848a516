import { inTransaction, type Session, SQLSTATE, sqlState } from '@ideogate/postgres';
import { type Month, parseMonth } from '../month.ts';

/** The table of one month: a partition of the record, or what is left of one between leaving it and being dropped. */
export interface MonthTable {
  readonly month: Month;
  readonly state: 'attached' | 'detach-pending' | 'detached';
}

/** Name of a month's table, schema and all; made of digits, so it may stand in a statement as it is. */
export function tableOf(month: Month): string {
  return `ideogate.audit_event_${month.replace('-', '_')}`;
}

/** Every month that the database has a table for, oldest first. */
export async function monthTables(session: Session): Promise<readonly MonthTable[]> {
  const { rows } = await session.query({
    text: `SELECT right(c.relname, 7) AS month, i.inhrelid IS NOT NULL AS attached, i.inhdetachpending AS pending
      FROM pg_class c
      LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND i.inhparent = 'ideogate.audit_event'::regclass
      WHERE c.relnamespace = 'ideogate'::regnamespace AND c.relkind = 'r'
        AND c.relname ~ '^audit_event_[0-9]{4}_[0-9]{2}$'
      ORDER BY c.relname`,
  });
  const list = rows as { month: string; attached: boolean; pending: boolean | null }[]; // as: the columns selected above
  return list.flatMap(({ month: text, attached, pending }) => {
    const month = parseMonth(text.replace('_', '-'));
    if (month === undefined) return [];
    const state = !attached ? 'detached' : pending === true ? 'detach-pending' : 'attached';
    return [{ month, state }];
  });
}

const LOCK_ATTEMPTS = 30;

/**
 * Takes a month's partition out of the record. `CONCURRENTLY` waits for whoever reads the record, without a lock that
 * an INSERT would wait for; when it returns, nobody can write into the table any more.
 * @param session not in a transaction, with time to wait
 */
export async function detach(session: Session, { month, state }: MonthTable): Promise<void> {
  if (state === 'detached') return;
  const how = state === 'attached' ? 'CONCURRENTLY' : 'FINALIZE';
  await session.query({
    text: `ALTER TABLE ideogate.audit_event DETACH PARTITION ${tableOf(month)} ${how}`,
  });
}

/** Drops a detached table together with what `mark` does, or neither. Waits briefly, again and again, for its readers. */
export async function drop(session: Session, month: Month, mark: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await inTransaction(session, async () => {
        await session.query({ text: `SET LOCAL lock_timeout = '1s'; DROP TABLE ${tableOf(month)}` });
        await mark();
      });
    } catch (error) {
      if (attempt === LOCK_ATTEMPTS || sqlState(error) !== SQLSTATE.lockNotAvailable) throw error;
    }
  }
}
