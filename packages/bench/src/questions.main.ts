import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogins, migrate, openReadPool, topUpPartitions } from '@ideogate/audit';
import { startLocalPostgres } from '@ideogate/local-postgres';
import { COMMON_QUESTIONS, exampleCall, fillMonth, planOf, watched } from '@ideogate/testkit/large-record';
import { runFlags } from '@ideogate/testkit/run-flags';
import { Client } from 'pg';

// How long the questions of every day take on a record of ten million rows: `node packages/bench/src/questions.main.ts`.
// Takes some minutes and 10 GB of disk, which it gives back.
const { whole } = runFlags({
  rows: { type: 'string', default: '10000000' },
  months: { type: 'string', default: '5' },
  bound: { type: 'string', default: '50' },
});
const wantedRows = whole('rows', 1);
const months = whole('months', 1);
/** An allowed call has two rows, a refused one has one, and one in twelve is refused. */
const ROWS_A_CALL = 23 / 12;
const BOUND_MS = whole('bound', 1);
const TIMES = 20;
const MONTH_MS = 30 * 86_400_000;

const folder = mkdtempSync(join(tmpdir(), 'ideogate-questions-'));
// mkdtemp makes it 0700, and as root the server runs under another account.
chmodSync(folder, 0o755);
const postgres = await startLocalPostgres({ folder: join(folder, 'postgres'), log: () => undefined });
try {
  const readUrl = await fill();
  process.exitCode = (await ask(readUrl)) ? 0 : 1;
} finally {
  await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
}

/** @returns the read login's URL */
async function fill(): Promise<string> {
  const ownerUrl = postgres.superuserUrl('postgres');
  const owner = new Client({ connectionString: ownerUrl });
  await owner.connect();
  await migrate(ownerUrl);
  const now = new Date();
  const calls = Math.ceil(wantedRows / ROWS_A_CALL / months);
  let rows = 0;
  for (let ago = months - 1; ago >= 0; ago--) {
    const month = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - ago, 1));
    rows += await fillMonth(owner, month, calls);
    process.stdout.write(`${rows.toLocaleString('en')} rows\n`);
  }
  await topUpPartitions(ownerUrl, BigInt(now.getTime()) * 1000n);
  const login = (use: string) => ({ user: `postgres_${use}`, password: randomBytes(12).toString('hex') });
  const read = login('read');
  await createLogins(ownerUrl, { database: 'postgres', append: login('append'), read });
  await owner.query('VACUUM ANALYZE ideogate.audit_event');
  const { rows: sizes } = await owner.query<{ size: string }>(
    `SELECT pg_size_pretty(sum(pg_total_relation_size(inhrelid))) AS size FROM pg_inherits
     WHERE inhparent = 'ideogate.audit_event'::regclass`,
  );
  process.stdout.write(`${sizes[0]?.size} with indexes\n`);
  await owner.end();
  const url = new URL(ownerUrl);
  url.username = read.user;
  url.password = read.password;
  return url.href;
}

/** True when every question was answered from indexes, and in time; the worst of a few is the machine's as often as ours. */
async function ask(readUrl: string): Promise<boolean> {
  const pool = openReadPool(readUrl);
  try {
    const example = await exampleCall(pool, new Date(Date.now() - (months / 2) * MONTH_MS));
    let well = true;
    for (const { name, question } of COMMON_QUESTIONS) {
      const spy = watched(pool);
      await question(spy.pool, example);
      const plans = await Promise.all(spy.asked.map((asked) => planOf(pool, asked)));
      const scans = plans.flatMap(({ wholeTables }) => wholeTables);
      const { median, worst } = await timesOf(() => question(pool, example));
      well &&= scans.length === 0 && median < BOUND_MS;
      const ms = (time: number) => `${time.toFixed(1).padStart(6)} ms`;
      const reads = scans.length === 0 ? '' : `  reads all of ${scans.join(', ')}`;
      process.stdout.write(`${name.padEnd(50)} median ${ms(median)}  worst ${ms(worst)}${reads}\n`);
    }
    return well;
  } finally {
    await pool.end();
  }
}

async function timesOf(work: () => Promise<unknown>): Promise<{ median: number; worst: number }> {
  const times: number[] = [];
  for (let round = 0; round < TIMES; round++) {
    const began = performance.now();
    await work();
    times.push(performance.now() - began);
  }
  times.sort((a, b) => a - b);
  return { median: times[TIMES / 2] ?? Number.NaN, worst: times.at(-1) ?? Number.NaN };
}
