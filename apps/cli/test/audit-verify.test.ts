import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { VerifyReport } from '@ideogate/audit/verify';
import { readSettings } from '@ideogate/config';
import { Client } from 'pg';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { auditVerify, type AuditVerifyOptions } from '../src/commands/audit-verify.ts';
import { generate, newFolder, type Product, ran, start, stop, token } from './running-product.ts';

let product: Product;
let env: Readonly<Record<string, string>>;

beforeAll(async () => {
  const data = newFolder();
  product = await start({ data });
  env = { IDEOGATE_DATA: data };
  const writer = await token(product, 'writer');
  for (let count = 0; count < 3; count++) await generate(product, writer);
});
/** `audit verify` as a pipe gets it. */
async function verify(
  changes: Partial<AuditVerifyOptions> = {},
): Promise<{ code: unknown; report: VerifyReport }> {
  let text = '';
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    text += String(chunk);
    return true;
  });
  try {
    const code = await auditVerify(readSettings(env), [], { gapAfter: '15m', ...changes });
    return { code, report: JSON.parse(text) as VerifyReport }; // as: a pipe gets JSON
  } finally {
    write.mockRestore();
  }
}

async function asSuperuser<T>(work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: product.logins.owner ?? '' });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

const inFolder = (name: string) => join(product.data, product.ready.environment, name);
const keptNotes = () => readFileSync(inFolder('checkpoints.ndjson'), 'utf8').trimEnd().split('\n');

describe('ideogate audit verify', () => {
  test('proves the record of the running product, and leaves a row of who asked', async () => {
    const { code, report } = await verify();
    expect(code).toBe(0);
    expect(report).toMatchObject({ ok: true, faults: [] });
    expect(report.events).toBeGreaterThanOrEqual(10);
    expect(report.checkpoints).toBeGreaterThanOrEqual(1);
    const rows = await asSuperuser((client) =>
      client.query(`SELECT operation FROM ideogate.audit_notice WHERE notice = 'record-read'`),
    );
    expect(rows.rows).toContainEqual({ operation: 'audit verify' });
  });

  test('needs only a public key and the name of a database: a login that may read is enough', async () => {
    const key = await ran(['audit', 'key'], { env });
    expect(key).toMatchObject({ code: 0, stderr: '' });
    const words = ['audit', 'verify', '--database', product.logins.read, '--key', key.stdout.trim()];
    const { code, stdout } = await ran(words, { env: { IDEOGATE_DATA: newFolder() } });
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { ok: true }]);
  });

  test.each([
    ['a file that is not there', ['nothing.ndjson'], {}, /nothing\.ndjson is not there/],
    ['a key that is none', [], { key: ['what'] }, /--key: not a public key/],
    ['a folder', ['packages'], {}, /packages is a folder: name a file in it/],
    ['an archive that is a folder', [], { archive: ['packages'] }, /packages is a folder/],
    ['what is read more than once from a device', ['/dev/null'], {}, /\/dev\/null is not a regular file/],
    ['checkpoints that are none', [], { checkpoints: ['package.json'] }, /package\.json holds no checkpoint/],
    ['a key that is a folder', [], { key: ['packages'] }, /--key: packages is a folder/],
    ['a key that is a device', [], { key: ['/dev/null'] }, /--key: \/dev\/null is not a regular file/],
    ['a state that is a folder', [], { resume: 'packages' }, /--resume: packages is a folder/],
    ['a state in a folder that is not there', [], { resume: 'no/where' }, /--resume: no is not there/],
    ['an address that is none', [], { database: 'notaurl' }, /--database is a URL/],
    ['a span that is none', [], { gapAfter: 'soon' }, /--gap-after is a span/],
    ['files and a database', ['package.json'], { database: 'postgres://x' }, /Give either files/],
  ])('%s is said, and is exit 3', async (_, files, options, said) => {
    const error = await auditVerify(readSettings(env), files, { gapAfter: '15m', ...options }).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ exitCode: 3, message: expect.stringMatching(said) });
  });

  test('without a key at hand it says where one is to be had', async () => {
    const asked = auditVerify(readSettings({ IDEOGATE_DATA: newFolder() }), ['package.json'], {
      gapAfter: '15m',
    });
    await expect(asked).rejects.toThrow('--key: ideogate audit key prints it');
  });

  test('names what a superuser did, and is exit 1', async () => {
    const [changed] = await asSuperuser(async (client) => {
      await client.query('CREATE TABLE public.kept AS TABLE ideogate.audit_event');
      const { rows } = await client.query<{ writer: string; seq: string }>(
        `UPDATE ideogate.audit_event SET subject = 'nobody' WHERE seq = 3 RETURNING writer, seq::text`,
      );
      return rows;
    });
    const { code, report } = await verify();
    await asSuperuser((client) =>
      client.query(`UPDATE ideogate.audit_event e SET subject = k.subject FROM public.kept k
        WHERE (e.writer, e.seq) = (k.writer, k.seq); DROP TABLE public.kept`),
    );
    expect(code).toBe(1);
    expect(report.faults).toEqual(
      expect.arrayContaining([
        { fault: 'changed', writer: changed?.writer, seq: Number(changed?.seq), detail: expect.any(String) },
      ]),
    );
    expect((await verify()).code).toBe(0);
  });

  test('finds by the data folder’s own checkpoints that those of the database were taken away', async () => {
    await asSuperuser((client) =>
      client.query(`CREATE TABLE public.kept AS TABLE ideogate.checkpoint;
        DELETE FROM ideogate.checkpoint WHERE number > 1`),
    );
    const { code, report } = await verify();
    await asSuperuser((client) =>
      client.query(`INSERT INTO ideogate.checkpoint TABLE public.kept ON CONFLICT DO NOTHING;
        DROP TABLE public.kept`),
    );
    expect(code).toBe(1);
    expect(report.faults).toContainEqual(expect.objectContaining({ fault: 'removed', writer: null, seq: 2 }));
  });
});

describe('the key that signs checkpoints', () => {
  test('is in a file of the data folder that only its owner may read, and not in the database', async () => {
    expect(statSync(inFolder('checkpoint-key')).mode & 0o077).toBe(0);
    expect(readFileSync(inFolder('checkpoint-key'), 'utf8')).toMatch(/^PRIVATE\+KEY\+ideogate\/staging\+/);
  });

  test('is changed by a checkpoint; the first public key and the newest both prove the record after it', async () => {
    const before = (await ran(['audit', 'key'], { env })).stdout.trim();
    const changed = await ran(['audit', 'rotate-key'], { env });
    expect(changed).toMatchObject({ code: 0, stderr: '' });
    const after = changed.stdout.trim();
    expect(after).not.toBe(before);
    expect((await ran(['audit', 'key'], { env })).stdout).toBe(`${after}\n${before}\n`);
    for (const key of [before, after]) expect((await verify({ key: [key] })).code).toBe(0);
    const file = join(newFolder(), 'keys');
    writeFileSync(file, `${before}\n`);
    expect((await verify({ key: [file] })).code).toBe(0);
  });
});

test('the last checkpoint fixes the closed chain of a product that was stopped', async () => {
  await stop(product);
  const last = keptNotes().at(-1) ?? '';
  expect(last).toContain('ideogate checkpoint');
  product = await start({ data: product.data, port: product.port });
  const { code, report } = await verify();
  expect([report.faults, code]).toEqual([[], 0]);
});
