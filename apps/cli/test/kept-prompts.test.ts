import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { forgetMonth, parseMonth } from '@ideogate/audit';
import { Client } from 'pg';
import { beforeAll, expect, test, vi } from 'vitest';
import { generate, newFolder, type Product, ran, REPOSITORY, start, token } from './running-product.ts';

const PROMPT = 'a lighthouse\nat dawn, kept-prompt-MARKED';
let product: Product;

beforeAll(async () => {
  const data = newFolder();
  const policy = join(data, 'policy.yaml');
  const given = readFileSync(join(REPOSITORY, 'infra/policies/default.yaml'), 'utf8');
  writeFileSync(policy, given.replace('  staging:\n', '  staging:\n    record: { prompts: keep }\n'));
  product = await start({ data, env: { IDEOGATE_POLICY: policy } });
}, 60_000);
async function command(...words: string[]): Promise<{ code: unknown; answer: unknown }> {
  const { code, stdout } = await ran(['audit', ...words], { env: { IDEOGATE_DATA: product.data } });
  return { code, answer: JSON.parse(stdout) };
}

async function asked(sql: string): Promise<readonly Record<string, unknown>[]> {
  const client = new Client({ connectionString: product.logins.read });
  await client.connect();
  const { rows } = await client.query<Record<string, unknown>>(sql);
  await client.end();
  return rows;
}

async function called(prompt: string): Promise<string> {
  const answer = await generate(product, await token(product, 'writer'), prompt);
  await answer.arrayBuffer();
  expect(answer.status).toBe(200);
  const id = answer.headers.get('ideogate-call-id') ?? expect.fail('it has no id');
  const ended = `SELECT FROM audit_event WHERE kind = 'outcome' AND call_id = '${id}'`;
  await vi.waitUntil(async () => (await asked(ended)).length === 1, { timeout: 5_000 });
  return id;
}

test('a prompt that policy lets the record keep is shown, in clear nowhere, and gone with the key of its month (E.54)', async () => {
  const id = await called(PROMPT);
  const shown = await command('show', id);
  expect(shown).toMatchObject({
    code: 0,
    answer: {
      outcome: { promptLength: PROMPT.length, promptSealed: expect.stringMatching(/^[0-9]{4}-[0-9]{2}:/) },
      prompt: { state: 'readable', text: PROMPT, cut: false },
    },
  });
  const long = await called('x'.repeat(5_000));
  expect(await command('show', long)).toMatchObject({
    answer: { prompt: { text: 'x'.repeat(4_096), cut: true } },
  });
  expect(await asked(`SELECT FROM audit_event e WHERE e::text LIKE '%kept-prompt-MARKED%'`)).toEqual([]);

  // Of the call, not of now: a month may have ended meanwhile.
  const { outcome } = shown.answer as { outcome: { promptSealed: string } }; // as: it matched that above
  const month = parseMonth(outcome.promptSealed.slice(0, 7)) ?? expect.fail('it is no month');
  await forgetMonth({
    ownerUrl: product.logins.owner ?? '',
    month,
    now: () => BigInt(Date.now() + 60 * 86_400_000) * 1_000n,
    announce: async () => {},
  });
  expect(await command('show', id)).toMatchObject({
    code: 0,
    answer: { prompt: { state: 'forgotten', month } },
  });
  expect(await command('verify')).toMatchObject({ code: 0, answer: { ok: true } });
}, 60_000);
