import { createHash, createHmac } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { openReadPool } from '@ideogate/audit';
import {
  startTestGateway,
  startWebhookSubscriber,
  type TestGateway,
  type WebhookSubscriber,
} from '@ideogate/testkit';
import { parseWebhookSecret, signWebhook, verifyWebhook, type WebhookSecret } from '@ideogate/webhook';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';

const ours = standard('ours');
const theirs = { now: standard('theirs'), before: standard('before') };
const SHARED = { now: 'fake-shared-secret-MARKED-now', before: 'fake-shared-secret-MARKED-before' };

let gateway: TestGateway;
let subscriber: WebhookSubscriber;
/** As the superuser. */
let owner: ReturnType<typeof openReadPool>;
let full: string;

beforeAll(async () => {
  subscriber = await startWebhookSubscriber();
  const to = { url: subscriber.url, secrets: [ours] };
  gateway = await startTestGateway({
    webhooks: [
      { name: 'images', subscriber: to },
      {
        name: 'partner',
        shared: { scheme: 'standard', secrets: [theirs.now, theirs.before] },
        subscriber: to,
      },
      {
        name: 'plain',
        shared: { scheme: 'hmac-sha256', secrets: [hmac(SHARED.now), hmac(SHARED.before)] },
        subscriber: to,
      },
    ],
  });
  full = await gateway.token('full');
  owner = openReadPool(gateway.databaseUrl);
});
afterEach(() => gateway.relay.restore());
afterAll(async () => {
  await owner?.end();
  await gateway?.close();
  await subscriber?.stop();
});

function standard(name: string): WebhookSecret {
  return fit(parseWebhookSecret('standard', `whsec_${Buffer.alloc(32, name).toString('base64')}`));
}

function hmac(text: string): WebhookSecret {
  return fit(parseWebhookSecret('hmac-sha256', text));
}

function fit(secret: WebhookSecret | null): WebhookSecret {
  if (secret === null) throw new Error('not a secret');
  return secret;
}

const soon = <T>(look: () => T | Promise<T>) => vi.waitUntil(look, { timeout: 15_000, interval: 20 });
const url = (endpoint: string) => `${gateway.url}/-/webhooks/${endpoint}`;
const notices = async () => {
  const { rows } = await owner.query<{ detail: Record<string, string> }>(
    `SELECT detail FROM ideogate.audit_notice WHERE notice = 'webhook-received'`,
  );
  return rows.map(({ detail }) => detail);
};
const kept = async () =>
  (
    await owner.query<{ endpoint: string; event_id: string; body: Buffer }>(
      'SELECT * FROM ideogate_webhook.event',
    )
  ).rows;

function post(endpoint: string, headers: Record<string, string>, body: Buffer | string): Promise<Response> {
  return fetch(url(endpoint), { method: 'POST', headers, body, signal: AbortSignal.timeout(20_000) });
}

describe('the result of an asynchronous call comes home', () => {
  const form = (fields: Record<string, string>) => {
    const data = new FormData();
    for (const [name, value] of Object.entries(fields)) data.append(name, value);
    return { body: data };
  };
  const json = (fields: object) => ({
    body: JSON.stringify(fields),
    headers: { 'content-type': 'application/json' },
  });
  const V1 = '/v1/ideogram-v4/async/generate';
  const V2 = '/v2/image/generate/ideogram-4';

  test.each([
    [
      'named in the query of v1',
      () => [`${V1}?webhook_url=${encodeURIComponent(url('images'))}`, form({ text_prompt: 'a lighthouse' })],
    ],
    [
      'named in the JSON of v2',
      () => [V2, json({ prompt: 'a lighthouse', async: true, webhook_url: url('images') })],
    ],
    [
      'named in a form of v2',
      () => [
        '/v2/image/remix/ideogram-4',
        (() => {
          const given = form({ prompt: 'a lighthouse', async: 'true', webhook_url: url('images') });
          given.body.append('image', new Blob([PNG], { type: 'image/png' }), 'a.png');
          return given;
        })(),
      ],
    ],
  ] as [string, () => [string, { body: FormData | string; headers?: Record<string, string> }]][])(
    '%s: verified, on record, kept, and delivered with our signature (G.61)',
    async (_, make) => {
      const [path, given] = make();
      const response = await fetch(`${gateway.url}${path}`, {
        method: 'POST',
        ...given,
        headers: { 'api-key': full, ...given.headers },
      });
      const answer = (await response.json()) as { generation_id: string }; // as: an asynchronous answer
      expect([response.status, answer]).toMatchObject([200, { generation_id: expect.any(String) }]);
      const delivered = await soon(() =>
        subscriber.taken.find(({ body }) => body.toString().includes(answer.generation_id)),
      );
      expect(verifyWebhook({ scheme: 'standard', secrets: [ours] }, delivered)).toMatchObject({ ok: true });
      const result = JSON.parse(delivered.body.toString()) as { data: { url: string }[] }; // as: Ideogram's webhook
      expect((await fetch(result.data[0]?.url ?? '')).status).toBe(200);
      expect(await notices()).toContainEqual({
        endpoint: 'images',
        scheme: 'ideogram',
        event: answer.generation_id,
        body_sha256: createHash('sha256').update(delivered.body).digest('hex'),
        bytes: String(delivered.body.length),
        request: expect.stringMatching(/^[0-9a-f-]{36}$/),
      });
      const [row] = (await kept()).filter(({ event_id }) => event_id === answer.generation_id);
      expect(row).toMatchObject({ endpoint: 'images', body: delivered.body });
    },
  );

  test('an endpoint that does not verify what Ideogram signs is none that a call may name', async () => {
    const response = await fetch(`${gateway.url}${V1}?webhook_url=${encodeURIComponent(url('partner'))}`, {
      method: 'POST',
      headers: { 'api-key': full },
      ...form({ text_prompt: 'a' }),
    });
    expect([response.status, ((await response.json()) as { field: string }).field]).toEqual([
      403,
      'webhook_url',
    ]);
  });
});

const PNG = Buffer.from('89504e470d0a1a0a', 'hex');

interface Sent {
  readonly headers: Record<string, string>;
  readonly body: string;
}

const now = () => Math.floor(Date.now() / 1000);
let events = 0;

/** As the emulator signs is shown above; here the senders that share a secret. */
const SENDERS = {
  partner: (secret: WebhookSecret, ageSeconds = 0): Sent => {
    const body = `{"event":${events++}}`;
    const id = `partner-${events}`;
    const signed = signWebhook({
      id,
      timestamp: now() - ageSeconds,
      body: Buffer.from(body),
      secrets: [secret],
    });
    return { headers: { 'content-type': 'application/json', ...signed }, body };
  },
  plain: (secret: WebhookSecret): Sent => {
    const body = `{"event":${events++}}`;
    return {
      headers: { 'x-ideogram-signature': createHmac('sha256', secret).update(body).digest('hex') },
      body,
    };
  },
};
const secretsOf = {
  partner: { good: theirs.now, before: theirs.before, wrong: standard('wrong') },
  plain: { good: hmac(SHARED.now), before: hmac(SHARED.before), wrong: hmac('fake-shared-secret-wrong') },
};
const signatureOf = { partner: 'webhook-signature', plain: 'x-ideogram-signature' };

describe.each(['partner', 'plain'] as const)('at the endpoint %s', (endpoint) => {
  const signed = SENDERS[endpoint];
  const { good, before, wrong } = secretsOf[endpoint];
  const status = async ({ headers, body }: Sent) => (await post(endpoint, headers, body)).status;

  test('a good webhook is taken, and comes out', async () => {
    const sent = signed(good);
    expect(await status(sent)).toBe(204);
    await soon(() => subscriber.taken.some(({ body }) => body.toString() === sent.body));
  });
  test('so is one signed with the secret of before, while both are known', async () => {
    expect(await status(signed(before))).toBe(204);
  });
  test('one that comes again is taken off its sender’s hands, and nothing more happens (G.61)', async () => {
    const sent = signed(good);
    const statuses = [await status(sent), await status(sent), await status(sent)];
    expect(statuses).toEqual([204, 204, 204]);
    await soon(() => subscriber.taken.some(({ body }) => body.toString() === sent.body));
    const digest = createHash('sha256').update(sent.body).digest('hex');
    expect((await notices()).filter(({ body_sha256 }) => body_sha256 === digest)).toHaveLength(1);
    expect((await kept()).filter(({ body }) => body.toString() === sent.body)).toHaveLength(1);
    expect(subscriber.taken.filter(({ body }) => body.toString() === sent.body)).toHaveLength(1);
  });
  test('one that comes twenty times at once is on record once, kept once, and delivered once (G.61)', async () => {
    const sent = signed(good);
    const statuses = await Promise.all(Array.from({ length: 20 }, () => status(sent)));
    expect(statuses).toEqual(Array.from({ length: 20 }, () => 204));
    await soon(() => subscriber.taken.some(({ body }) => body.toString() === sent.body));
    const digest = createHash('sha256').update(sent.body).digest('hex');
    expect((await notices()).filter(({ body_sha256 }) => body_sha256 === digest)).toHaveLength(1);
    expect((await kept()).filter(({ body }) => body.toString() === sent.body)).toHaveLength(1);
    expect(subscriber.taken.filter(({ body }) => body.toString() === sent.body)).toHaveLength(1);
  });
  test.each<[string, (sent: Sent) => Sent]>([
    ['another key', () => signed(wrong)],
    ['a changed body', (sent) => ({ ...sent, body: `${sent.body} ` })],
    ['no body', (sent) => ({ ...sent, body: '' })],
    [
      'a signature that is too short',
      ({ headers, body }) => ({
        headers: { ...headers, [signatureOf[endpoint]]: headers[signatureOf[endpoint]]?.slice(0, -8) ?? '' },
        body,
      }),
    ],
    [
      'a signature that is too long',
      ({ headers, body }) => ({
        headers: { ...headers, [signatureOf[endpoint]]: `${headers[signatureOf[endpoint]]}00` },
        body,
      }),
    ],
    ['no signature', ({ body }) => ({ headers: {}, body })],
    ...(endpoint === 'partner'
      ? ([
          ['an old time', () => SENDERS.partner(good, 301)],
          ['a time to come', () => SENDERS.partner(good, -310)],
        ] as [string, (sent: Sent) => Sent][])
      : []),
  ])('%s is refused, and nobody is told which part failed', async (_, change) => {
    const before_ = (await kept()).length;
    const { headers, body } = change(signed(good));
    const response = await post(endpoint, headers, body);
    const problem = (await response.json()) as Record<string, unknown>; // as: a problem document
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toBe('Webhook-Signature realm="ideogate"');
    const { call_id, instance, ...rest } = problem;
    expect([call_id, instance]).toEqual([expect.any(String), expect.any(String)]);
    expect(rest).toEqual({
      type: `${gateway.url}/-/problems/webhook-not-verified`,
      title: 'The webhook was not accepted',
      status: 401,
      code: 'webhook-not-verified',
      detail: 'The webhook was not accepted.',
      message: 'The webhook was not accepted.',
      error: 'The webhook was not accepted.',
      remedy: expect.any(String),
    });
    expect(await kept()).toHaveLength(before_);
  });
});

test('hmac-sha256 signs no time: what is old is taken the first time, and never again', async () => {
  const sent = SENDERS.plain(secretsOf.plain.good);
  const digest = createHash('sha256').update(sent.body).digest('hex');
  await post('plain', sent.headers, sent.body);
  await owner.query(
    `UPDATE ideogate_webhook.event SET received_at = now() - interval '1 year' WHERE event_id = $1`,
    [digest],
  );
  expect((await post('plain', sent.headers, sent.body)).status).toBe(204);
  expect((await notices()).filter(({ event }) => event === digest)).toHaveLength(1);
});

test('a webhook of Ideogram’s is not good at another endpoint, nor with a key that Ideogram does not publish', async () => {
  const id = 'forged';
  const headers = {
    'x-ideogram-webhook-generation-id': id,
    'x-ideogram-webhook-user-id': 'u',
    'x-ideogram-webhook-timestamp': String(now()),
    'x-ideogram-webhook-key-id': 'nobody-knows-it',
    'x-ideogram-webhook-signature': '0'.repeat(128),
  };
  // The key set was just fetched: that it lacks the key is not known before the next fetch may begin.
  expect([401, 503]).toContain((await post('images', headers, '{}')).status);
  expect((await post('partner', headers, '{}')).status).toBe(401);
});

describe('what is no webhook', () => {
  const good = () => SENDERS.partner(theirs.now);

  test('an endpoint nobody set up is not there', async () => {
    const { headers, body } = good();
    for (const name of ['none', '', 'partner/', 'partner/x', 'Partner', '__proto__', 'partner%20'])
      expect([name, (await post(name, { ...headers, 'content-type': ';;' }, body)).status]).toEqual([
        name,
        404,
      ]);
  });
  test.each(['GET', 'PUT', 'DELETE', 'HEAD', 'OPTIONS'])(
    '%s is told that POST is the method',
    async (method) => {
      const response = await fetch(url('partner'), { method });
      expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST']);
    },
  );
  test('more than 1 MiB is refused, announced or not', async () => {
    const big = Buffer.alloc(1_048_577, ' ');
    expect((await post('partner', good().headers, big)).status).toBe(413);
    const stream = new ReadableStream({
      start(controller) {
        controller.enqueue(big);
        controller.close();
      },
    });
    const response = await fetch(url('partner'), {
      method: 'POST',
      headers: good().headers,
      body: stream,
      duplex: 'half',
    });
    expect(response.status).toBe(413);
  });
  test('exactly 1 MiB is not', async () => {
    const body = Buffer.alloc(1_048_576, ' ');
    const signed = signWebhook({ id: 'big', timestamp: now(), body, secrets: [theirs.now] });
    expect((await post('partner', signed, body)).status).toBe(204);
  });
  test('what the body says it is makes no difference: raw bytes are verified', async () => {
    for (const type of ['text/plain', 'application/json; charset=utf-16', ';;', 'multipart/form-data']) {
      const { headers, body } = good();
      expect((await post('partner', { ...headers, 'content-type': type }, body)).status).toBe(204);
    }
  });
});

/** A webhook whose body begins and does not end. */
function halfWebhook(endpoint: string, field: string): string {
  return `POST /-/webhooks/${endpoint} HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n${field}\r\n\r\n{`;
}

test.each([
  ['images', 'X-Ideogram-Webhook-Generation-Id: g'],
  ['partner', `Webhook-Id: e\r\nWebhook-Timestamp: 1\r\nWebhook-Signature: v1,${'A'.repeat(43)}=`],
  ['partner', `Webhook-Id: e\r\nWebhook-Timestamp: ${now()}\r\nWebhook-Signature: v2,x`],
  ['plain', 'X-Ideogram-Signature: 00'],
])(
  'what its head alone shows to be no webhook of %s is refused before its body (%#)',
  async (endpoint, field) => {
    const socket = connect({ host: '127.0.0.1', port: gateway.port });
    try {
      socket.setEncoding('utf8').write(halfWebhook(endpoint, field));
      const [answer] = (await once(socket, 'data', { signal: AbortSignal.timeout(5_000) })) as [string]; // as: its encoding is set
      expect(answer).toMatch(/^HTTP\/1.1 401 /);
    } finally {
      socket.destroy();
    }
  },
);

describe('when something is broken', () => {
  test.each([
    ['does not answer', () => gateway.relay.freeze()],
    ['is away', () => gateway.relay.cut()],
  ])('the database %s: 503, nothing is kept, and the sender’s next try is taken', async (_, fail) => {
    const sent = SENDERS.partner(theirs.now);
    fail();
    const response = await post('partner', sent.headers, sent.body);
    expect(response.status).toBe(503);
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
    gateway.relay.restore();
    expect((await kept()).filter(({ body }) => body.toString() === sent.body)).toEqual([]);
    await soon(async () => (await post('partner', sent.headers, sent.body)).status === 204);
    await soon(() => subscriber.taken.some(({ body }) => body.toString() === sent.body));
  });

  test('the record takes no row: 503, and nothing is kept of which the record does not know', async () => {
    const sent = SENDERS.partner(theirs.now);
    const client = await owner.connect();
    await client.query('BEGIN; LOCK TABLE ideogate.audit_event IN ACCESS EXCLUSIVE MODE');
    try {
      expect((await post('partner', sent.headers, sent.body)).status).toBe(503);
      const { rowCount } = await client.query('SELECT FROM ideogate_webhook.event WHERE body = $1', [
        Buffer.from(sent.body),
      ]);
      expect(rowCount).toBe(0);
    } finally {
      await client.query('ROLLBACK');
      client.release();
    }
    expect((await post('partner', sent.headers, sent.body)).status).toBe(204);
  });

  test('the keys of Ideogram cannot be had: 503, never a 401', async () => {
    const deaf = await startTestGateway({
      upstream: 'http://127.0.0.1:1',
      webhooks: [{ name: 'images', subscriber: { url: subscriber.url, secrets: [ours] } }],
    });
    try {
      const headers = {
        'x-ideogram-webhook-generation-id': 'g',
        'x-ideogram-webhook-user-id': 'u',
        'x-ideogram-webhook-timestamp': String(now()),
        'x-ideogram-webhook-key-id': 'k',
        'x-ideogram-webhook-signature': '0'.repeat(128),
      };
      const response = await fetch(`${deaf.url}/-/webhooks/images`, { method: 'POST', headers, body: '{}' });
      expect(response.status).toBe(503);
    } finally {
      await deaf.close();
    }
  });

  test('bodies that never end hold neither the places of calls nor those of webhooks: the oldest of them give way', async () => {
    const strict = await startTestGateway({
      settings: { IDEOGATE_MAX_IN_FLIGHT: '4', IDEOGATE_MAX_WEBHOOKS: '2' },
      webhooks: [
        {
          name: 'plain',
          shared: { scheme: 'hmac-sha256', secrets: [hmac(SHARED.now)] },
          subscriber: { url: subscriber.url, secrets: [ours] },
        },
      ],
    });
    const signature = { 'x-ideogram-signature': '0'.repeat(64) };
    const held = Array.from({ length: 8 }, () => connect({ host: '127.0.0.1', port: strict.port }));
    try {
      for (const socket of held) {
        socket.on('error', () => undefined);
        socket.write(halfWebhook('plain', `X-Ideogram-Signature: ${'0'.repeat(64)}`));
      }
      const webhook = () =>
        fetch(`${strict.url}/-/webhooks/plain`, { method: 'POST', headers: signature, body: '{}' });
      await soon(async () => /pool="webhooks",result="revoked"\} [6-9]/.test(await strict.metrics()));
      for (let at = 0; at < 5; at++) expect((await webhook()).status).toBe(401);
      const headers = { 'api-key': await strict.token('full') };
      expect((await fetch(`${strict.url}/models`, { headers })).status).toBe(200);
    } finally {
      for (const socket of held) socket.destroy();
      await strict.close();
    }
  });

  test('who sends too many is limited by address, like everybody', async () => {
    const strict = await startTestGateway({
      settings: { IDEOGATE_RATE_PER_ADDRESS: '3' },
      webhooks: [{ name: 'images', subscriber: { url: subscriber.url, secrets: [ours] } }],
    });
    try {
      const statuses: number[] = [];
      for (let at = 0; at < 5; at++)
        statuses.push(
          (await fetch(`${strict.url}/-/webhooks/images`, { method: 'POST', body: '{}' })).status,
        );
      expect(statuses).toEqual([401, 401, 401, 429, 429]);
    } finally {
      await strict.close();
    }
  });
});

test('no secret of a webhook is in the log, the metrics or the record', async () => {
  const { rows } = await owner.query('SELECT * FROM ideogate.audit_event');
  const places = [gateway.log.join('\n'), await gateway.metrics(), JSON.stringify(rows)].join('\n');
  for (const secret of ['MARKED', Buffer.alloc(32, 'theirs').toString('base64').slice(0, 20)])
    expect(places).not.toContain(secret);
});
