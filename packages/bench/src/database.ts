import { randomBytes, randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { createLogins, migrate, topUpPartitions } from '@ideogate/audit';
import { openAuditWriter } from '@ideogate/audit/append';
import type { CallId, DecisionEvent } from '@ideogate/contract';
import type { LocalPostgres } from '@ideogate/local-postgres';
import { Client, Pool } from 'pg';

/** The record's database as a product has it, with `synchronous_commit=on`. */
export interface BenchDatabase {
  readonly appendUrl: string;
  readonly readUrl: string;
  readonly ownerUrl: string;
}

export async function prepareDatabase(postgres: LocalPostgres): Promise<BenchDatabase> {
  const name = 'ideogate_bench';
  const server = new Client({ connectionString: postgres.superuserUrl('postgres') });
  await server.connect();
  await server.query(`CREATE DATABASE ${name}`);
  const { rows } = await server.query<{ synchronous_commit: string }>('SHOW synchronous_commit');
  await server.end();
  if (rows[0]?.synchronous_commit !== 'on') throw new Error('the bench needs synchronous_commit=on');
  const ownerUrl = postgres.superuserUrl(name);
  await migrate(ownerUrl);
  await topUpPartitions(ownerUrl, BigInt(Date.now()) * 1000n);
  const append = { user: `${name}_append`, password: randomBytes(12).toString('hex') };
  const read = { user: `${name}_read`, password: randomBytes(12).toString('hex') };
  await createLogins(ownerUrl, { database: name, append, read });
  const login = ({ user, password }: typeof append) => {
    const url = new URL(ownerUrl);
    url.username = user;
    url.password = password;
    return url.href;
  };
  return { appendUrl: login(append), readUrl: login(read), ownerUrl };
}

/** As often as calls come at 200 a second: a server that rests between commits is slower than one kept hot. */
const COMMIT_EVERY_MS = 5;

/** Median milliseconds of a single-row commit, alone on the server, one every 5 ms. */
export async function singleRowCommit(database: BenchDatabase): Promise<number> {
  const client = new Client({ connectionString: database.appendUrl });
  await client.connect();
  const times: number[] = [];
  for (let i = 0; i < 200; i++) {
    const began = performance.now();
    await insertOne(client, i);
    times.push(performance.now() - began);
    await delay(COMMIT_EVERY_MS);
  }
  await client.end();
  return times.sort((a, b) => a - b)[100] ?? Number.NaN;
}

const OPENING = { environment: 'staging', instance: 'bench', release: null, version: '0' } as const;

/** Rows a second with so many callers waiting: group commit, over one INSERT each on as many connections. */
export async function groupCommit(
  database: BenchDatabase,
  waiting: number,
  seconds: number,
): Promise<number> {
  const single = await oneByOne(database, waiting, seconds);
  return (await grouped(database, waiting, seconds)) / single;
}

async function grouped(database: BenchDatabase, waiting: number, seconds: number): Promise<number> {
  const record = openAuditWriter({ ...database, opening: OPENING, now: () => BigInt(Date.now()) * 1000n });
  await record.decide(decision());
  const rows = await keepBusy(waiting, seconds, async () => {
    if ((await record.decide(decision())) !== 'committed')
      throw new Error('a decision of the bench was not committed');
  });
  await record.close(1000);
  return rows;
}

async function oneByOne(database: BenchDatabase, waiting: number, seconds: number): Promise<number> {
  const pool = new Pool({ connectionString: database.appendUrl, max: waiting });
  await Promise.all(Array.from({ length: waiting }, async () => pool.query('SELECT 1')));
  let seq = 0;
  const rows = await keepBusy(waiting, seconds, () => insertOne(pool, seq++));
  await pool.end();
  return rows;
}

async function keepBusy(waiting: number, seconds: number, one: () => Promise<void>): Promise<number> {
  const began = performance.now();
  const until = began + seconds * 1000;
  let rows = 0;
  const work = async () => {
    while (performance.now() < until) {
      await one();
      rows++;
    }
  };
  await Promise.all(Array.from({ length: waiting }, work));
  return rows / ((performance.now() - began) / 1000);
}

async function insertOne(client: Client | Pool, seq: number): Promise<void> {
  await client.query({
    name: 'one',
    text: `INSERT INTO ideogate.audit_event (writer, seq, at, kind, call_id, environment, subject, operation, result, prev_hash, hash)
      VALUES ($1, $2, now(), 'decision', $3, 'staging', 'bench', 'v3.generate', 'allowed', $4, $4)`,
    values: [randomUUID(), seq + 1, randomUUID(), Buffer.alloc(32)],
  });
}

function decision(): DecisionEvent {
  return {
    kind: 'decision',
    callId: randomUUID() as string as CallId, // as: the record takes any UUID
    atMicros: BigInt(Date.now()) * 1000n,
    environment: 'staging',
    issuer: 'http://127.0.0.1:9',
    subject: 'bench',
    clientId: 'bench',
    tokenId: randomUUID(),
    actor: null,
    address: '127.0.0.1',
    proxy: null,
    method: 'POST',
    resource: '/v1/ideogram-v3/generate',
    operation: 'v3.generate',
    scopeNeeded: 'write:generate',
    scopeHeld: 'read:models write:generate write:remix',
    level: 'limited',
    rule: 'bench.yaml:6',
    release: 'sha256:bench',
    keyId: 'key_bench',
    traceId: null,
    result: 'allowed',
    problem: null,
    reason: null,
    status: null,
  };
}

/** Forwarded calls whose decision or outcome is not in the record, after everything was flushed. */
export async function lostCalls(database: BenchDatabase, forwarded: number): Promise<number> {
  const client = new Client({ connectionString: database.ownerUrl });
  await client.connect();
  const { rows } = await client.query<{ done: string }>(
    "SELECT count(*)::text AS done FROM ideogate.audit_call WHERE state = 'done' AND outcome = 'completed'",
  );
  await client.end();
  return forwarded - Number(rows[0]?.done ?? 0);
}

/** CPU seconds of every process of the server, from the system's books. */
export function serverCpuMicros(folder: string): number {
  const postmaster = Number(readFileSync(`${folder}/cluster/postmaster.pid`, 'utf8').split('\n')[0]);
  let ticks = 0;
  for (const entry of readdirSync('/proc')) {
    if (!/^[0-9]+$/.test(entry)) continue;
    const stat = statOf(entry);
    if (stat !== null && (Number(entry) === postmaster || stat.parent === postmaster)) ticks += stat.ticks;
  }
  return ticks * 10_000;
}

/** utime, stime and those of waited-for children, in ticks of 10 ms (proc(5)). */
function statOf(pid: string): { parent: number; ticks: number } | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text
      .slice(text.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    const [, parent = 0] = fields;
    return { parent, ticks: (fields[11] ?? 0) + (fields[12] ?? 0) + (fields[13] ?? 0) + (fields[14] ?? 0) };
  } catch {
    return null;
  }
}
