import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openReadPool } from '@ideogate/audit';
import { readSettings } from '@ideogate/config';
import { startWebhookSubscriber, type WebhookSubscriber } from '@ideogate/testkit';
import { parseWebhookSecret, verifyWebhook } from '@ideogate/webhook';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { readWebhookEndpoints } from '@ideogate/gateway/startup';
import {
  callHome,
  cleanUp,
  freePorts,
  newFolder,
  type Product,
  ran,
  start,
  stop,
} from './running-product.ts';

const OURS = `whsec_${Buffer.alloc(32, 'MARKED-ours').toString('base64')}`;
const SHARED = 'fake-shared-secret-MARKED-1';
const soon = <T>(look: () => T | Promise<T>) => vi.waitUntil(look, { timeout: 20_000, interval: 20 });

describe('endpoints are read from a file', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'ideogate-endpoints-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function read(list: unknown, env: Record<string, string> = {}) {
    const file = join(folder, 'webhooks.json');
    writeFileSync(file, typeof list === 'string' ? list : JSON.stringify(list));
    const faults: string[] = [];
    return {
      endpoints: readWebhookEndpoints(
        readSettings({ IDEOGATE_WEBHOOKS: file, OURS, SHARED, ...env }),
        faults,
      ),
      faults,
    };
  }
  const subscriber = { url: 'https://internal.example/hook', secrets: ['env:OURS'] };
  const images = { name: 'images', scheme: 'ideogram', users: ['emulated-user'], subscriber };
  const plain = { name: 'plain', scheme: 'hmac-sha256', secrets: ['env:SHARED'], subscriber };

  test('with their secrets, which are in variables and files', () => {
    writeFileSync(join(folder, 'secret'), `${OURS}\n`);
    const list = [images, plain, { ...plain, name: 'p2', attempts: 3, secrets: ['env:SHARED', 'env:OURS'] }];
    const other = { ...subscriber, secrets: [`file:${join(folder, 'secret')}`, 'env:OURS'] };
    const { endpoints, faults } = read([...list, { ...images, name: 'i2', subscriber: other }]);
    expect(faults).toEqual([]);
    expect(
      endpoints.map(({ name, scheme, attempts, secrets, subscriber: to }) => [
        name,
        scheme,
        attempts,
        secrets.length,
        to.secrets.length,
      ]),
    ).toEqual([
      ['images', 'ideogram', 25, 0, 1],
      ['plain', 'hmac-sha256', 25, 1, 1],
      ['p2', 'hmac-sha256', 3, 2, 1],
      ['i2', 'ideogram', 25, 0, 2],
    ]);
    expect(JSON.stringify(endpoints)).not.toContain('MARKED');
  });

  test.each<[string, unknown, RegExp]>([
    ['no JSON', '{', /cannot be read as JSON/],
    ['no list', {}, /must hold a list/],
    ['another word', [{ ...images, to: 'x' }], /entry 1 .*nothing else/],
    ['no name', [{ ...images, name: undefined }], /"name" must be/],
    ['a name that is no part of an address', [{ ...images, name: 'a/b' }], /"name" must be/],
    ['one name twice', [images, images], /entry 2 .*another entry/],
    ['an unknown scheme', [{ ...images, scheme: 'none' }], /"scheme" must be one of/],
    ['a secret where keys are public', [{ ...images, secrets: ['env:OURS'] }], /has no place/],
    ['nobody whose events are taken', [{ ...images, users: [] }], /"users" must list/],
    ['a user where none is signed', [{ ...plain, users: ['u1'] }], /"users" has a place/],
    ['no secret', [{ ...plain, secrets: [] }], /"secrets" must be a list/],
    ['a secret itself', [{ ...plain, secrets: [SHARED] }], /"secrets" must name places/],
    ['a variable that is not set', [{ ...plain, secrets: ['env:NOT_SET'] }], /"secrets" must name places/],
    ['a file that is not there', [{ ...plain, secrets: ['file:/nowhere'] }], /"secrets" must name places/],
    ['a short secret', [{ ...plain, secrets: ['env:SHORT'] }], /env:SHORT holds is not 24 bytes/],
    ['a secret of another form', [{ ...plain, scheme: 'standard' }], /env:SHARED holds is not whsec_/],
    [
      'a subscriber over plain http',
      [{ ...images, subscriber: { ...subscriber, url: 'http://internal.example/' } }],
      /subscriber.url/,
    ],
    [
      'a subscriber with a password in its address',
      [{ ...images, subscriber: { ...subscriber, url: 'https://a:MARKED@internal.example/' } }],
      /subscriber.url/,
    ],
    ['no subscriber', [{ ...images, subscriber: undefined }], /subscriber/],
    [
      'a subscriber without a secret',
      [{ ...images, subscriber: { url: subscriber.url } }],
      /subscriber.secrets/,
    ],
    ['no tries', [{ ...images, attempts: 0 }], /"attempts" must be/],
  ])('%s is a fault, and no secret is shown', (_, list, fault) => {
    const { faults } = read(list, { SHORT: 'MARKED-too-short' });
    expect(faults.join('\n')).toMatch(fault);
    expect(faults.join('\n')).not.toContain('MARKED');
  });
});

describe('a product with endpoints', () => {
  let product: Product;
  let subscriber: WebhookSubscriber;
  let options: Parameters<typeof start>[0];

  beforeAll(async () => {
    subscriber = await startWebhookSubscriber();
    const data = newFolder();
    const file = join(newFolder(), 'webhooks.json');
    const to = { url: subscriber.url, secrets: ['env:SUBSCRIBER_SECRET'] };
    writeFileSync(
      file,
      JSON.stringify([
        { name: 'images', scheme: 'ideogram', users: ['emulated-user'], subscriber: to },
        {
          name: 'plain',
          scheme: 'hmac-sha256',
          secrets: ['env:IDEOGRAM_SECRET'],
          attempts: 1,
          subscriber: to,
        },
      ]),
    );
    const env = { IDEOGATE_WEBHOOKS: file, SUBSCRIBER_SECRET: OURS, IDEOGRAM_SECRET: SHARED };
    options = { data, port: await freePorts(), env };
    product = await start(options);
  });
  afterAll(async () => {
    await cleanUp();
    await subscriber?.stop();
  });

  const command = (...words: string[]) => ran(words, { env: { IDEOGATE_DATA: product.data } });
  const list = async (...words: string[]) =>
    JSON.parse((await command('webhooks', 'list', ...words)).stdout) as {
      id: string;
      state: string;
      eventId: string;
    }[]; // as: what the command prints
  async function send(text: string): Promise<number> {
    const body = JSON.stringify({ text });
    const signature = createHmac('sha256', SHARED).update(body).digest('hex');
    const response = await fetch(`${product.ready.gateway}/-/webhooks/plain`, {
      method: 'POST',
      headers: { 'x-ideogram-signature': signature },
      body,
    });
    return response.status;
  }
  const takenOf = (text: string) => subscriber.taken.filter(({ body }) => body.toString().includes(text));

  test('the result of an asynchronous call reaches the internal service, which verifies it', async () => {
    const { status, id } = await callHome(product, 'a lighthouse');
    expect([status, id]).toEqual([200, expect.stringMatching(/./)]);
    await soon(() => takenOf(id).length === 1);
    const secret = parseWebhookSecret('standard', OURS);
    const [delivery] = takenOf(id);
    if (secret === null || delivery === undefined) throw new Error('nothing came');
    expect(verifyWebhook({ scheme: 'standard', secrets: [secret] }, delivery)).toMatchObject({ ok: true });
    await soon(async () => (await list('--state', 'delivered')).some(({ eventId }) => eventId === id));
  });

  test('killed between keeping and delivering: delivered after the restart, with its id', async () => {
    subscriber.behave('is silent');
    const asked = subscriber.asked();
    const { id } = await callHome(product, 'a second one');
    await soon(() => subscriber.asked() > asked);
    const [waiting] = await list('--state', 'waiting');
    expect(waiting?.eventId).toBe(id);
    product.child.kill('SIGKILL');
    await product.ended;
    subscriber.behave('takes');
    product = await start(options);
    await soon(() => takenOf(id).length >= 1);
    expect(takenOf(id)[0]?.headers['webhook-id']).toBe(waiting?.id);
  });

  test('a dead letter is listed, and replayed by a command that is on record', async () => {
    subscriber.behave(500);
    expect(await send('dead letter')).toBe(204);
    await soon(async () => (await list('--state', 'dead')).length === 1);
    const [dead] = await list('--state', 'dead');
    subscriber.behave('takes');
    expect((await command('webhooks', 'replay', '--dead', '--endpoint', 'images')).stdout).toContain(
      '"replayed": []',
    );
    const replayed = await command('webhooks', 'replay', '--dead');
    expect([replayed.code, JSON.parse(replayed.stdout)]).toEqual([0, { replayed: [dead?.id], gone: [] }]);
    await soon(() => takenOf('dead letter').length === 1);
    const pool = openReadPool(product.logins.read);
    const { rows } = await pool.query<{ notice: string; subject: string; detail: object }>(
      `SELECT subject, operation, detail FROM ideogate.audit_notice WHERE notice = 'webhooks-replayed'`,
    );
    await pool.end();
    expect(rows).toEqual([
      {
        subject: expect.stringContaining('@'),
        operation: 'webhooks replay',
        detail: { count: '1', first: dead?.id, last: dead?.id },
      },
    ]);
  });

  test('what is asked for wrongly is told in one line', async () => {
    const cases: readonly (readonly [words: string[], code: number, line: RegExp])[] = [
      [['list', '--state', 'lost'], 3, /--state is one of waiting, delivered, dead/],
      [['replay'], 3, /Say which/],
      [['replay', crypto.randomUUID(), '--dead'], 3, /Say which/],
      [['replay', 'x'], 3, /is not an id/],
      [['replay', crypto.randomUUID()], 1, /there is no webhook/],
    ];
    const ended = await Promise.all(cases.map(([words]) => command('webhooks', ...words)));
    expect(ended.map(({ code, stderr }) => [code, stderr])).toEqual(
      cases.map(([, code, line]) => [code, expect.stringMatching(line)]),
    );
  });

  test('no secret comes out anywhere', async () => {
    const { stdout } = await command('webhooks', 'list', '--json');
    expect(product.stdout() + product.stderr() + stdout).not.toMatch(/MARKED|whsec_/);
    expect(await stop(product)).toBe(0);
  });
});
