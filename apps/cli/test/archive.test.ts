import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { topUpPartitions } from '@ideogate/audit';
import { openCheckpointKeys, signCheckpoints } from '@ideogate/audit/checkpoints';
import { openAuditWriter } from '@ideogate/audit/append';
import { readSettings } from '@ideogate/config';
import { startLocalPostgres } from '@ideogate/local-postgres';
import { Client } from 'pg';
import { beforeAll, expect, test, vi } from 'vitest';
import { auditArchive, auditImport } from '../src/commands/audit-archive.ts';
import { auditForget } from '../src/commands/audit-forget.ts';
import { describeError } from '../src/describe-error.ts';
import { newFolder, type Product, ran, REPOSITORY, start, stop } from './running-product.ts';

const FILE = 'ideogate-staging-2020-01.ndjson.gz';
let product: Product;
let env: Readonly<Record<string, string>>;
let archives: string;

beforeAll(async () => {
  const data = newFolder();
  product = await start({ data });
  env = { IDEOGATE_DATA: data };
  archives = join(data, 'staging', 'archive');
  product = await beginIn(Date.UTC(2020, 0, 20));
}, 60_000);
/** Stops the product, has its record begin in the past, with a run and its checkpoints, and starts it again. */
async function beginIn(time: number, more: Readonly<Record<string, string>> = {}): Promise<Product> {
  const { data, port } = product;
  await stop(product);
  const postgres = await startLocalPostgres({
    folder: join(data, 'staging', 'postgres'),
    log: () => undefined,
  });
  const url = postgres.superuserUrl('ideogate_staging');
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query(`TRUNCATE ideogate.audit_event, ideogate.checkpoint, ideogate.chain_position,
    ideogate.archive, ideogate.archive_chain`);
  await client.end();
  rmSync(join(data, 'staging', 'checkpoints.ndjson'));
  const now = () => BigInt(time) * 1_000n;
  await topUpPartitions(url, now());
  const opening = { environment: 'staging', instance: 'a run of then', release: null, version: '0' } as const;
  const urls = { appendUrl: url, readUrl: url };
  await openAuditWriter({ ...urls, opening, now }).close(5_000);
  const keys = openCheckpointKeys(join(data, 'staging', 'checkpoint-key'));
  await signCheckpoints({ ...urls, environment: 'staging', keys, destinations: [], now }).stop();
  await postgres.stop();
  return start({ data, port, env: more });
}

async function command(...words: string[]): Promise<{ code: unknown; stderr: string; answer: unknown }> {
  const { code, stdout, stderr } = await ran(['audit', ...words], { env });
  return { code, stderr, answer: stdout === '' ? null : JSON.parse(stdout) };
}

async function notices(): Promise<readonly unknown[]> {
  const client = new Client({ connectionString: product.logins.read });
  await client.connect();
  const { rows } = await client.query(
    `SELECT notice, operation, subject IS NOT NULL AS somebody, detail ->> 'month' AS month FROM audit_notice
     WHERE notice IN ('month-archived', 'archive-imported', 'archive-removed', 'month-forgotten')
     ORDER BY "timestamp"`,
  );
  await client.end();
  return rows;
}

test('a month is archived, verified, read back, forgotten and removed at last, each on record', async () => {
  const archived = await command('archive', '--month', '2020-01');
  expect(archived).toMatchObject({
    code: 0,
    answer: { folder: archives, archived: [{ file: FILE, events: 2 }] },
  });
  const sha256 = createHash('sha256')
    .update(readFileSync(join(archives, FILE)))
    .digest('hex');
  expect(archived.answer).toMatchObject({ archived: [{ sha256 }] });

  expect(await command('verify', '--archive', join(archives, FILE))).toMatchObject({
    code: 0,
    answer: { ok: true, reported: { archived: [] } },
  });
  const changed = join(newFolder(), FILE);
  const bytes = readFileSync(join(archives, FILE));
  writeFileSync(changed, bytes.fill((bytes[9] ?? 0) ^ 1, 9, 10));
  expect(await command('verify', '--archive', changed)).toMatchObject({ code: 1, answer: { ok: false } });

  expect(await command('import', join(archives, FILE))).toMatchObject({
    code: 0,
    answer: { month: '2020-01', events: 2, archived_here: true },
  });
  expect(await command('import', '--drop')).toMatchObject({ code: 0, answer: { dropped: true } });
  expect(await command('forget', '--month', '2020-01', '--yes')).toMatchObject({ code: 0 });

  // What retention asks for: the months around it that were made with it, and then what is older than a year.
  const due = await command('archive');
  expect(due.code).toBe(0);
  expect(due.answer).toMatchObject({ expired: [{ month: '2020-01', removed: false }] });
  expect(await command('archive', '--remove-expired')).toMatchObject({ code: 3, answer: null });
  expect(readdirSync(archives)).toContain(FILE);
  const removed = await command('archive', '--remove-expired', '--yes');
  expect(removed.code).toBe(0);
  expect(readdirSync(archives)).not.toContain(FILE);
  expect(await command('verify')).toMatchObject({ code: 0, answer: { ok: true } });

  const january = (await notices()).filter((row) => Object(row).month === '2020-01');
  expect(january).toEqual(
    [
      ['month-archived', 'audit archive'],
      ['archive-imported', 'audit import'],
      ['month-forgotten', 'audit forget'],
      ['archive-removed', 'audit archive'],
    ].map(([notice, operation]) => ({ notice, operation, somebody: true, month: '2020-01' })),
  );
}, 120_000);

test('with a folder for it the product archives what retention asks for by itself, on record (E.56)', async () => {
  const folder = join(newFolder(), 'archive');
  product = await beginIn(Date.UTC(2018, 4, 20), { IDEOGATE_ARCHIVE_FOLDER: folder });
  const client = new Client({ connectionString: product.logins.read });
  await client.connect();
  const said = `SELECT operation, subject IS NOT NULL AS somebody, detail ->> 'events' AS events FROM audit_notice
    WHERE notice = 'month-archived' AND detail ->> 'month' = '2018-05'`;
  // The months around it that were made with it are due too.
  const due = `SELECT FROM pg_class WHERE relkind = 'r' AND relname ~ '^audit_event_20(?:18|19)'`;
  await vi.waitUntil(async () => (await client.query(due)).rows.length === 0, { timeout: 30_000 });
  expect((await client.query(said)).rows).toEqual([{ operation: 'start', somebody: true, events: '2' }]);
  await client.end();
  expect(readdirSync(folder)).toContain('ideogate-staging-2018-05.ndjson.gz');
  expect(await command('verify')).toMatchObject({ code: 0, answer: { ok: true } });
}, 60_000);

const thisMonth = new Date().toISOString().slice(0, 7);

test.each([
  [
    'a month that is none',
    3,
    /2020-13 is not a month/,
    () => auditArchive(readSettings(env), { month: '2020-13' }),
  ],
  [
    'a month under way',
    3,
    /can still be dated into/,
    () => auditArchive(readSettings(env), { month: thisMonth }),
  ],
  [
    'a month that is not there',
    3,
    /no month 2001-01/,
    () => auditArchive(readSettings(env), { month: '2001-01' }),
  ],
  [
    'a key in use',
    3,
    /may still be in use/,
    () => auditForget(readSettings(env), { month: thisMonth, yes: true }),
  ],
  [
    'a key, unless --yes says so',
    3,
    /Nothing was done.*--yes/,
    () => auditForget(readSettings(env), { month: '2020-02' }),
  ],
  ['no file to read back', 3, /Give a file/, async () => auditImport(readSettings(env), undefined, {})],
  [
    'a folder that is a file',
    3,
    /package\.json cannot be a folder for archives \(EEXIST\)/,
    () => auditArchive(readSettings(env), { folder: join(REPOSITORY, 'package.json') }),
  ],
  [
    'a folder to read back',
    3,
    /is a folder: name a file/,
    async () => auditImport(readSettings(env), REPOSITORY, {}),
  ],
  [
    'a month before all',
    3,
    /0000-01 is not a month/,
    () => auditForget(readSettings(env), { month: '0000-01', yes: true }),
  ],
  [
    'a file that is not there',
    3,
    /nothing\.gz is not there/,
    async () => auditImport(readSettings(env), 'nothing.gz', {}),
  ],
  [
    'a file that is no archive',
    1,
    /no line of an archive/,
    async () => auditImport(readSettings(env), join(REPOSITORY, 'package.json'), {}),
  ],
])('%s is refused in words, and nothing is done', async (_, exitCode, said, work) => {
  const refusal = describeError(await work().catch((error: unknown) => error));
  expect(refusal).toMatchObject({ exitCode, message: expect.stringMatching(said) });
});
