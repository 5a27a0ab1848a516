import type { LocalPostgres } from '@ideogate/local-postgres';
import { Client } from 'pg';

const COMMIT_DELAY_MICROS = 3_000;

/** Runs `work` while every commit of the server takes 3 ms more, as on a disk that is far away. */
export async function withSlowCommits<T>(postgres: LocalPostgres, work: () => Promise<T>): Promise<T> {
  const server = new Client({ connectionString: postgres.superuserUrl('postgres') });
  await server.connect();
  const set = async (delay: number, siblings: number) => {
    await server.query(`ALTER SYSTEM SET commit_delay = ${delay}`);
    // Without others committing, Postgres would not wait at all.
    await server.query(`ALTER SYSTEM SET commit_siblings = ${siblings}`);
    await server.query('SELECT pg_reload_conf()');
  };
  try {
    await set(COMMIT_DELAY_MICROS, 0);
    return await work();
  } finally {
    await set(0, 5);
    await server.end();
  }
}
