import { openPool, type Pool } from '@ideogate/postgres';

/** A small pool over the read login, for queries of people; it doesn't need the database to be up. */
export function openReadPool(readUrl: string): Pool {
  return openPool(readUrl, { name: 'ideogate-read', max: 4, statementMs: 15_000, graceMs: 1_000 });
}
