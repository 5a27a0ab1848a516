import { spawn } from 'node:child_process';
import { createHash, createPublicKey, verify, type webcrypto } from 'node:crypto';
import { once } from 'node:events';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as httpRequest,
} from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { inflateSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createEmulator, type Emulator, type ReceivedRequest } from '../src/emulator/index.ts';
import { OPERATIONS } from '../src/index.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void; // as: what the flag puts there

const KEY = 'emulated-key-not-real';
let clock = 0;
let emulator: Emulator;

beforeEach(async () => {
  clock = Date.parse('2026-11-01T12:00:00Z');
  emulator = await createEmulator({ keys: { accept: [KEY] }, now: () => clock });
});
afterEach(() => emulator.close());

interface Reply {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint: an answer of any shape, looked at member by member
  readonly body: Record<string, never> & { [member: string]: unknown };
}

async function call(method: string, path: string, init: RequestInit = {}): Promise<Reply> {
  const response = await fetch(`${emulator.url}${path}`, {
    method,
    redirect: 'manual',
    ...init,
    headers: { 'Api-Key': KEY, ...(init.headers as Record<string, string> | undefined) }, // as: only plain objects are passed here
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') === true;
  return {
    status: response.status,
    headers: response.headers,
    body: (isJson ? JSON.parse(text) : { text }) as Reply['body'], // as: JSON of the emulator, checked by the test
  };
}

function post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Reply> {
  return call('POST', path, {
    body: JSON.stringify(body),
    headers: { 'Content-Type': 'application/json', ...headers },
  });
}

function postForm(path: string, fields: readonly (readonly [string, string | Blob])[]): Promise<Reply> {
  const form = new FormData();
  for (const [name, value] of fields) form.append(name, value);
  return call('POST', path, { body: form });
}

function images(reply: Reply): readonly { url: string; seed: number; resolution: string }[] {
  return reply.body['data'] as never; // as: shape asserted by the caller
}

const faults = (fault: unknown) => call('PUT', '/-/faults', { body: JSON.stringify(fault) });
const settings = (wanted: unknown) => call('PUT', '/-/settings', { body: JSON.stringify(wanted) });

async function received(): Promise<readonly ReceivedRequest[]> {
  const response = await fetch(`${emulator.url}/-/received`);
  return (await response.json()) as ReceivedRequest[]; // as: the emulator's own documented form
}

/** Bytes in buffers that are still in use. */
function bytesHeld(): number {
  collectGarbage();
  return process.memoryUsage().arrayBuffers;
}

const file = (bytes = 10) => new Blob([new Uint8Array(bytes)], { type: 'image/png' });
const V3 = '/v1/ideogram-v3/generate';
const V2 = '/v2/image/generate/ideogram-4';

describe('who may call', () => {
  test.each([
    ['no key', V3, {}, 401],
    ['another key', V3, { 'Api-Key': 'wrong' }, 401],
    ['another key, where Ideogram says 403', '/v1/ideogram-v3/remix', { 'Api-Key': 'wrong' }, 403],
    [
      "a web session, which opens Ideogram's API too",
      '/datasets',
      { Authorization: 'Bearer emulated-web-session' },
      400,
    ],
  ])('%s', async (_what, path, headers, status) => {
    const response = await fetch(`${emulator.url}${path}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...headers },
      body: '{}',
    });
    expect(response.status).toBe(status);
    const body = await response.text();
    expect(body.includes('Access denied. Please verify your API Token is valid.')).toBe(status !== 400);
  });

  test('the web console takes its own session and no key', async () => {
    expect((await call('GET', '/manage/api/api_keys')).status).toBe(401);
    const session = { Authorization: 'Bearer emulated-web-session' };
    expect((await fetch(`${emulator.url}/manage/api/api_keys`, { headers: session })).status).toBe(200);
  });

  test('where no credential is declared none is needed, and the webhook key is a real Ed25519 key', async () => {
    const response = await fetch(`${emulator.url}/v1/.well-known/jwks.json`);
    const { keys } = (await response.json()) as { keys: webcrypto.JsonWebKey[] }; // as: checked by createPublicKey
    const key = createPublicKey({ key: keys[0] ?? {}, format: 'jwk' });
    expect(key.asymmetricKeyType).toBe('ed25519');
  });

  test('when keys are told apart, a read key opens reads and dry runs only', async () => {
    await settings({ keys: { read: ['reader'], write: ['writer'] } });
    const by = (key: string) => ({ 'Api-Key': key });
    expect((await call('GET', '/models', { headers: by('reader') })).status).toBe(200);
    expect((await post(`${V2}?dry_run=true`, { prompt: 'x' }, by('reader'))).status).toBe(200);
    expect((await post(V2, { prompt: 'x' }, by('reader'))).status).toBe(401);
    expect((await post(V2, { prompt: 'x' }, by('writer'))).status).toBe(200);
    expect((await call('GET', '/models')).status).toBe(401);
  });
});

describe('webhooks', () => {
  const asked = async (answers: readonly number[], wait: (seen: readonly Seen[]) => boolean) => {
    const seen: Seen[] = [];
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        seen.push({ headers: request.headers, body: Buffer.concat(chunks) });
        response.writeHead(answers[seen.length - 1] ?? 204).end();
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo; // as: listening on TCP
    const url = `http://127.0.0.1:${port}/hook`;
    const { body } = await post(V2, { prompt: 'a lighthouse', async: true, webhook_url: url });
    await vi.waitUntil(() => wait(seen), { timeout: 5000, interval: 10 });
    server.close();
    return { seen, id: String(body['generation_id']) };
  };
  interface Seen {
    readonly headers: IncomingHttpHeaders;
    readonly body: Buffer;
  }

  test('an asynchronous call is called back with its result, signed as the key set says, and again until it is taken', async () => {
    const { seen, id } = await asked([503, 500], (all) => all.length === 3);
    const { keys } = (await (await fetch(`${emulator.url}/v1/.well-known/jwks.json`)).json()) as {
      keys: (webcrypto.JsonWebKey & { kid: string })[]; // as: checked by createPublicKey
    };
    for (const { headers, body } of seen) {
      const field = (name: string) => String(headers[`x-ideogram-webhook-${name}`]);
      expect(JSON.parse(body.toString())).toMatchObject({
        generation_id: id,
        data: [{ is_image_safe: true }],
      });
      expect([field('generation-id'), field('key-id')]).toEqual([id, keys[0]?.kid]);
      const digest = createHash('sha256').update(body).digest('hex');
      const message = [id, field('user-id'), String(clock / 1000), digest].join('\n');
      const key = createPublicKey({ key: keys[0] ?? {}, format: 'jwk' });
      expect(verify(null, Buffer.from(message), key, Buffer.from(field('signature'), 'hex'))).toBe(true);
    }
  });
  test.each(['http://192.0.2.1/', 'ftp://127.0.0.1/', 'not a url'])(
    'a webhook_url of %s is refused',
    async (url) => {
      expect((await post(V2, { prompt: 'a', async: true, webhook_url: url })).status).toBe(400);
    },
  );
});

describe('what is checked', () => {
  test.each<readonly [string, string, unknown, string]>([
    ['a missing field', V3, {}, 'prompt'],
    ['an unknown value', V3, { prompt: 'x', rendering_speed: 'WARP' }, 'rendering_speed'],
    ['a number out of range', V3, { prompt: 'x', num_images: 9 }, 'num_images'],
    ['a number as text in JSON', V3, { prompt: 'x', num_images: '2' }, 'num_images'],
    ['a list that is none', V3, { prompt: 'x', style_codes: 'aabbccdd' }, 'style_codes'],
    ['an entry of the wrong form', V3, { prompt: 'x', style_codes: ['nothex'] }, 'style_codes'],
    ['a file in JSON', V3, { prompt: 'x', style_reference_images: ['x'] }, 'style_reference_images'],
    ['two sizes', V3, { prompt: 'x', resolution: '1024x1024', aspect_ratio: '1x1' }, 'together'],
    ['a missing field inside image_request', '/generate', { image_request: {} }, 'image_request.prompt'],
    ['both prompts', '/v1/ideogram-v4/generate', { text_prompt: 'x', json_prompt: {} }, 'exactly one'],
    [
      'a speed that is not available',
      '/v1/ideogram-v4/generate',
      { text_prompt: 'x', rendering_speed: 'FLASH' },
      'FLASH',
    ],
    ['v1 spelling in v2', V2, { prompt: 'x', rendering_speed: 'TURBO' }, 'rendering_speed'],
    ['an empty prompt in v2', V2, { prompt: '' }, 'prompt'],
    ['a source image that is missing', '/v2/image/remix/ideogram-4', { prompt: 'x' }, 'image'],
    ['a webhook that is required', '/v1/ideogram-v45/async/generate', { text_prompt: 'x' }, 'webhook_url'],
  ])('%s is a 400 that names it', async (_what, path, body, named) => {
    const reply = await post(path, body);
    expect(reply.status).toBe(400);
    expect(reply.body['error']).toContain(named);
  });

  test.each<readonly [string, string, readonly (readonly [string, string | Blob])[], number]>([
    [
      'text only',
      V3,
      [
        ['prompt', 'x'],
        ['num_images', '2'],
      ],
      200,
    ],
    [
      'files after and before text',
      '/v1/ideogram-v3/remix',
      [
        ['image', file()],
        ['prompt', 'x'],
      ],
      200,
    ],
    [
      'lists as repeated fields',
      V3,
      [
        ['prompt', 'x'],
        ['style_codes', 'aabbccdd'],
        ['style_codes', '00112233'],
      ],
      200,
    ],
    [
      'JSON in a part',
      '/remix',
      [
        ['image_file', file()],
        ['image_request', '{"prompt":"x"}'],
      ],
      200,
    ],
    [
      'JSON in a part with a fault',
      '/remix',
      [
        ['image_file', file()],
        ['image_request', '{"prompt":"x","model":"V_9"}'],
      ],
      400,
    ],
    [
      'text where a file is due',
      '/v1/ideogram-v3/remix',
      [
        ['image', 'text'],
        ['prompt', 'x'],
      ],
      400,
    ],
    ['no file at all', '/describe', [['describe_model_version', 'V_3']], 400],
    [
      'a number that is none',
      V3,
      [
        ['prompt', 'x'],
        ['num_images', 'two'],
      ],
      400,
    ],
  ])('multipart: %s', async (_what, path, fields, status) => {
    expect((await postForm(path, fields)).status).toBe(status);
  });

  test.each([
    ['a body that is no JSON', 'application/json', '{'],
    ['a form', 'application/x-www-form-urlencoded', 'prompt=x'],
    ['multipart without a boundary', 'multipart/form-data', 'x'],
    ['multipart that is garbage', 'multipart/form-data; boundary=b', 'garbage'],
  ])('%s is a 400, and the emulator goes on', async (_what, type, body) => {
    expect((await call('POST', V3, { body, headers: { 'Content-Type': type } })).status).toBe(400);
    expect((await post(V3, { prompt: 'x' })).status).toBe(200);
  });

  test('an unknown path is 404, another method 405', async () => {
    expect((await call('GET', '/v3/nothing')).status).toBe(404);
    expect((await call('GET', V3)).status).toBe(405);
  });
});

describe('answers', () => {
  test('every open operation answers a well-formed call with JSON', async () => {
    const open = OPERATIONS.filter(({ closed, path }) => closed === null && !path.includes('{'));
    const bad: string[] = [];
    for (const { id, method, path, contentTypes, fields, query } of open) {
      const search = query
        .filter(({ required }) => required)
        .map(({ name }) => `${name}=https://example.com/x`);
      const target = `${path}?${search.join('&')}`;
      const sample = (field: NonNullable<typeof fields>[number]): unknown =>
        field.enum?.[0] ??
        field.default ??
        { model: 1, custom_model_uri: 'model/a/version/b' }[field.name] ??
        (field.type === 'object'
          ? Object.fromEntries((field.fields ?? []).filter((f) => f.required).map((f) => [f.name, sample(f)]))
          : 'x');
      const form = new FormData();
      const values: Record<string, unknown> = {};
      const image = ['image', 'mask'].filter((name) =>
        fields?.some((field) => field.name === `${name}_asset_identifier`),
      );
      for (const field of fields ?? []) {
        const needed =
          field.required ||
          image.includes(field.name) ||
          (field.name === 'images' && id === 'v1.edit') ||
          field.name === 'text_prompt';
        if (!needed) continue;
        if (field.type.startsWith('file')) form.append(field.name, file());
        else
          form.append(
            field.name,
            field.type === 'object' ? JSON.stringify(sample(field)) : String(sample(field)),
          );
        if (!field.type.startsWith('file')) values[field.name] = sample(field);
      }
      for (const name of image) values[`${name}_asset_identifier`] = {};
      const asJson = contentTypes.includes('application/json');
      const reply =
        method === 'GET'
          ? await call('GET', target)
          : asJson
            ? await post(target, values)
            : await call('POST', target, { body: form });
      const told = reply.headers.get('content-type') === 'application/json';
      const fine = reply.status === 200 || (path.includes('train') && reply.status === 404);
      if (!fine || !told) bad.push(`${id} ${reply.status} ${JSON.stringify(reply.body)}`);
    }
    expect(bad).toEqual([]);
  });

  test('v3: one entry per image, with a style type and consecutive seeds', async () => {
    const reply = await post(V3, { prompt: 'a cat', num_images: 3, seed: 7, aspect_ratio: '2x1' });
    expect(reply.body['created']).toBe('2026-11-01T12:00:00.000Z');
    expect(images(reply).map(({ seed }) => seed)).toEqual([7, 8, 9]);
    expect(images(reply)[0]).toMatchObject({ prompt: 'a cat', is_image_safe: true, style_type: 'GENERAL' });
  });

  test('a 200 can be a refusal, and a forbidden prompt is a 422', async () => {
    const unsafe = await post(V3, { prompt: 'unsafe-please' });
    expect(unsafe.status).toBe(200);
    expect(images(unsafe)).toEqual([expect.objectContaining({ url: null, is_image_safe: false })]);
    const forbidden = await post(V3, { prompt: 'forbidden-please' });
    expect([forbidden.status, typeof forbidden.body['error']]).toEqual([422, 'string']);
  });

  test('a dry run quotes the price, and where none is declared the call runs', async () => {
    const quote = await post(`${V2}?dry_run=true`, { prompt: 'x', num_images: 2, rendering_speed: 'turbo' });
    expect(quote.body).toEqual({
      object: 'price_quote',
      billing_identifier: 'v2.image.generate.ideogram-4',
      quantity: 2,
      usd_micros: 60_000,
      credit_millis: 6_000,
      qualifier: 'exact',
      upper_bound_usd_micros: 60_000,
    });
    expect((await post(`${V2}?dry_run=yes`, { prompt: 'x' })).status).toBe(400);
    expect((await post(`${V3}?dry_run=true`, { prompt: 'x' })).body['data']).toBeDefined();
  });

  test.each([
    ['v1', '/v1/ideogram-v4/async/generate', { text_prompt: 'x' }, '/v1/generations/'],
    ['v2', V2, { prompt: 'x', async: true }, '/v2/generations/'],
    ['v1, asked for in v2', '/v1/ideogram-v4/async/generate', { text_prompt: 'x' }, '/v2/generations/'],
  ])('%s: an asynchronous call is pending, then completed', async (_what, path, body, poll) => {
    const made = await post(path, body);
    expect(made.body['data']).toBeUndefined();
    const target = `${poll}${String(made.body['generation_id'])}`;
    expect((await call('GET', target)).body).toMatchObject({ status: 'pending' });
    const done = await call('GET', target);
    expect(done.body).toMatchObject({ status: 'completed', usage_cost_usd_micros: 60_000 });
    expect(images(done)).toHaveLength(1);
  });

  test('an asynchronous call can fail, and an unknown id is 404', async () => {
    const made = await post(V2, { prompt: 'fail-please', async: true });
    const target = `/v2/generations/${String(made.body['generation_id'])}`;
    await call('GET', target);
    expect((await call('GET', target)).body).toMatchObject({ status: 'failed' });
    expect((await call('GET', target.replace('/v2/', '/v1/'))).status).toBe(404);
    expect((await call('GET', '/v2/generations/nothing')).status).toBe(404);
  });

  test('data sets are made, filled, trained from, and lead to a model', async () => {
    const made = await post('/datasets', { name: 'cats' });
    const id = String(made.body['dataset_id']);
    expect((await post(`/datasets/${id}/train_model`, { model_name: 'm' })).status).toBe(400);
    const upload = await postForm(
      `/datasets/${id}/upload_assets`,
      Array.from({ length: 15 }, () => ['files', file()] as const),
    );
    expect(upload.body).toMatchObject({ total_count: 15, success_count: 15, failure_count: 0 });
    const trained = await post(`/datasets/${id}/train_model`, { model_name: 'm' });
    const model = String(trained.body['model_id']);
    expect((await call('GET', `/models/${model}`)).body).toMatchObject({
      model: { model_name: 'm', dataset_id: id },
    });
    expect((await call('GET', `/datasets/${id}`)).body).toMatchObject({
      file_count: 15,
      custom_model_ids: [model],
    });
    expect((await call('GET', '/datasets?search=dogs')).body).toEqual({ datasets: [] });
    expect((await call('GET', '/models/nothing')).status).toBe(404);
  });
});

describe('image links', () => {
  async function png(url: string): Promise<{ width: number; height: number; bytes: Buffer }> {
    const response = await fetch(url);
    expect(response.headers.get('content-type')).toBe('image/png');
    const bytes = Buffer.from(await response.arrayBuffer());
    const idat = bytes.subarray(bytes.indexOf('IDAT') + 4, bytes.indexOf('IEND') - 8);
    const [width, height] = [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
    expect(inflateSync(idat)).toHaveLength((width + 1) * height);
    return { width, height, bytes };
  }

  async function linkOf(body: unknown, path = V3): Promise<string> {
    return images(await post(path, body))[0]?.url ?? '';
  }

  test.each([
    [V3, { prompt: 'x', resolution: '512x1536' }, 512, 1536],
    [V3, { prompt: 'x', aspect_ratio: '16x9' }, 1344, 768],
    ['/generate', { image_request: { prompt: 'x', resolution: 'RESOLUTION_640_1536' } }, 640, 1536],
    [V2, { prompt: 'x', resolution: '2880x1440' }, 2880, 1440],
  ])('%s answers a PNG of the size asked for: %j', async (path, body, width, height) => {
    expect(await png(await linkOf(body, path))).toMatchObject({ width, height });
  });

  test('an image depends on prompt and seed, and on nothing else', async () => {
    const shown = async (prompt: string, seed: number) =>
      (await png(await linkOf({ prompt, seed }))).bytes.toString('hex');
    const first = await shown('a cat', 1);
    expect(await shown('a cat', 1)).toBe(first);
    expect(await shown('a cat', 2)).not.toBe(first);
    expect(await shown('a dog', 1)).not.toBe(first);
  });

  test('a link expires', async () => {
    const url = await linkOf({ prompt: 'x' });
    clock += 3_599_000;
    expect((await fetch(url)).status).toBe(200);
    clock += 1_000;
    expect((await fetch(url)).status).toBe(403);
  });

  test('how long a link lives can be set', async () => {
    await settings({ linkTtlSeconds: 5 });
    const url = await linkOf({ prompt: 'x' });
    clock += 5_000;
    expect((await fetch(url)).status).toBe(403);
  });

  test.each([
    [
      'a later expiry',
      (url: string) => url.replace(/exp=(\d+)/, (_, exp: string) => `exp=${Number(exp) + 1}`),
    ],
    ['another image', (url: string) => url.replace(/ephemeral\/[^.]+/, 'ephemeral/MTAyNC4xMDI0')],
    ['another signature', (url: string) => url.replace(/sig=./, 'sig=x')],
    ['no signature', (url: string) => url.replace(/&sig=.*/, '')],
  ])('a link changed to have %s is refused', async (_what, change) => {
    expect((await fetch(change(await linkOf({ prompt: 'x' })))).status).toBe(403);
  });
});

describe('calls in flight', () => {
  test('the one over the limit gets 429, in the words of its version; when one ends the next goes through', async () => {
    await settings({ inFlight: 2 });
    await faults({ latencyMs: 60_000, match: { path: '/datasets' } });
    const leave = new AbortController();
    const held = [1, 2].map(() => call('GET', '/datasets', { signal: leave.signal }).catch(() => undefined));
    await vi.waitFor(async () => expect(await received()).toHaveLength(2));
    const refused = await post(V2, { prompt: 'x' });
    expect(refused.status).toBe(429);
    expect(refused.body).toMatchObject({ reject_reason: 'inflight_limit', max_inflight_requests: 2 });
    expect((await post(V3, { prompt: 'x' })).body).not.toHaveProperty('reject_reason');
    leave.abort();
    await Promise.all(held);
    await vi.waitFor(async () => expect((await call('GET', '/models')).status).toBe(200));
  });

  test('ten at once are fine', async () => {
    const replies = await Promise.all(Array.from({ length: 10 }, () => post(V3, { prompt: 'x' })));
    expect(replies.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 200));
  });
});

describe('faults', () => {
  test.each<readonly [string, unknown, (reply: Reply) => unknown, unknown]>([
    ['a status', { status: 503 }, (reply) => reply.status, 503],
    [
      'a body',
      { status: 402, body: { error: 'no' } },
      (reply) => [reply.status, reply.body],
      [402, { error: 'no' }],
    ],
    ['a body that is no JSON', { body: '<html>' }, (reply) => reply.body, { text: '<html>' }],
    [
      'a redirect',
      { redirect: 'http://example.com/' },
      (reply) => [reply.status, reply.headers.get('location')],
      [302, 'http://example.com/'],
    ],
    ['a cookie', { setCookie: true }, (reply) => reply.headers.getSetCookie(), ['emulated=1; Path=/']],
    ['the key in a header', { echoKey: 'header' }, (reply) => reply.headers.get('x-echo'), KEY],
    ['the key in the body', { echoKey: 'body' }, (reply) => reply.body['echo'], KEY],
    ['the key in two pieces of the body', { echoKey: 'split-body' }, (reply) => reply.body['echo'], KEY],
    [
      'a compressed body',
      { compress: true },
      (reply) => [reply.headers.get('content-encoding'), reply.body],
      ['gzip', { datasets: [] }],
    ],
    ['a body in drips', { drip: { bytes: 5, everyMs: 1 } }, (reply) => reply.body, { datasets: [] }],
  ])('%s, for all calls or for one', async (_what, fault, seen, expected) => {
    await faults(fault);
    expect(seen(await call('GET', '/datasets'))).toEqual(expected);
    await call('DELETE', '/-/faults');
    expect((await call('GET', '/datasets')).body).toEqual({ datasets: [] });
    const headers = { 'Emulator-Fault': JSON.stringify(fault) };
    expect(seen(await call('GET', '/datasets', { headers }))).toEqual(expected);
    expect((await call('GET', '/datasets')).body).toEqual({ datasets: [] });
  });

  test('the split key never arrives in one piece', async () => {
    await faults({ echoKey: 'split-body' });
    const chunks: string[] = [];
    await new Promise<void>((resolve, reject) => {
      const request = httpRequest(`${emulator.url}/datasets`, { headers: { 'Api-Key': KEY } }, (response) => {
        response.on('data', (chunk: Buffer) => chunks.push(chunk.toString()));
        response.on('end', resolve);
      });
      request.on('error', reject);
      request.end();
    });
    expect(chunks.join('')).toContain(KEY);
    expect(chunks.filter((chunk) => chunk.includes(KEY))).toEqual([]);
  });

  test('latency comes before the answer', async () => {
    const started = performance.now();
    await call('GET', '/datasets', { headers: { 'Emulator-Fault': '{"latencyMs":80}' } });
    expect(performance.now() - started).toBeGreaterThanOrEqual(79);
  });

  test.each([
    ['a reset before the answer', { reset: 'before' }, /ECONNRESET|other side closed/],
    ['a reset within the answer', { reset: 'within' }, /ECONNRESET|other side closed|terminated/],
    ['huge headers', { hugeHeaders: true }, /HEADERS_OVERFLOW/],
  ])('%s breaks the call', async (_what, fault, expected) => {
    await faults(fault);
    const error: unknown = await call('GET', '/datasets').catch((reason: unknown) => reason);
    const { message, cause } = error as Error; // as: a fetch rejects with an Error
    expect(`${message} ${String((cause as NodeJS.ErrnoException | undefined)?.code)}`).toMatch(expected); // as: undici's cause
  });

  test.each([
    ['never answering', { neverAnswer: true }],
    ['never ending', { neverEnd: true }],
  ])('%s: the call hangs until the caller leaves, and the emulator goes on', async (_what, fault) => {
    await faults({ ...fault, times: 1 });
    const error: unknown = await call('GET', '/datasets', { signal: AbortSignal.timeout(150) }).catch(
      (reason: unknown) => reason,
    );
    expect((error as Error).name).toBe('TimeoutError'); // as: a fetch rejects with an Error
    expect((await call('GET', '/datasets')).status).toBe(200);
  });

  test('a body that never ends goes on arriving', async () => {
    await faults({ neverEnd: true });
    const response = await fetch(`${emulator.url}/datasets`, { headers: { 'Api-Key': KEY } });
    const reader = response.body?.getReader();
    let text = '';
    while (text.length < 20) text += Buffer.from((await reader?.read())?.value ?? []).toString();
    expect(text).toMatch(/^\{"datasets":\[\]\} +$/);
    await reader?.cancel();
  });

  test('an early answer comes before the body, and the connection closes', async () => {
    await faults({ earlyClose: { status: 429 } });
    const socket = connect(emulator.port, '127.0.0.1');
    socket.write(`POST ${V3} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nhalf`);
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString();
    });
    socket.on('error', () => {});
    await once(socket, 'close');
    expect(text).toMatch(/^HTTP\/1\.1 429 /);
    expect(await received()).toMatchObject([{ complete: false, status: 429 }]);
  });

  test('only the calls that match, and only so many times', async () => {
    await faults({ status: 500, match: { path: '/v1/*', method: 'post' }, times: 2 });
    expect((await call('GET', '/datasets')).status).toBe(200);
    expect((await call('GET', '/v1/.well-known/jwks.json')).status).toBe(200);
    const statuses = [];
    for (const _ of [1, 2, 3]) statuses.push((await post(V3, { prompt: 'x' })).status);
    expect(statuses).toEqual([500, 500, 200]);
  });

  test('a prompt can ask for a fault, because headers do not get through a gateway', async () => {
    expect(
      (await post(V3, { prompt: 'a cat fault:{"status":503,"body":{"error":"busy"}} please' })).status,
    ).toBe(503);
    expect((await post(V3, { prompt: 'fault:{"latencyMs":1}' })).status).toBe(200);
    expect((await post(V3, { prompt: 'a cat fault:{"nothing' })).status).toBe(200);
  });

  test('a call that a fault answers did not run', async () => {
    await faults({ status: 500 });
    await post('/datasets', { name: 'cats' });
    await faults({});
    expect((await call('GET', '/datasets')).body).toEqual({ datasets: [] });
  });

  test.each([{ latency: 5 }, { status: 'x' }, { drip: { bytes: 0, everyMs: 1 } }, [], 7])(
    'a fault that makes no sense is refused: %j',
    async (fault) => {
      expect((await faults(fault)).status).toBe(400);
      expect((await call('GET', '/-/faults')).body).toEqual({});
    },
  );

  test.each([{ inFlight: -1 }, { unknown: 1 }, { keys: {} }, { keys: { accept: [''] } }, null])(
    'settings that make no sense change nothing: %j',
    async (wanted) => {
      expect((await settings(wanted)).status).toBe(400);
      expect((await call('GET', '/models')).status).toBe(200);
    },
  );
});

describe('what it received', () => {
  test('time, method, target, headers as sent, size and digest of the body', async () => {
    const body = JSON.stringify({ prompt: 'ä cat' });
    await new Promise<void>((resolve, reject) => {
      const headers = [
        'Host',
        'x',
        'aPi-KeY',
        KEY,
        'X-Twice',
        'a',
        'X-Twice',
        'b',
        'Content-Type',
        'application/json',
        'Content-Length',
        String(Buffer.byteLength(body)),
      ];
      const request = httpRequest(
        { port: emulator.port, method: 'POST', path: `${V3}?a=%41`, headers },
        (response) => {
          response.resume();
          response.on('end', resolve);
        },
      );
      request.on('error', reject);
      request.end(body);
    });
    const [entry, ...others] = await received();
    expect(others).toEqual([]);
    expect(entry).toMatchObject({
      time: '2026-11-01T12:00:00.000Z',
      method: 'POST',
      target: `${V3}?a=%41`,
      bodyBytes: Buffer.byteLength(body),
      bodySha256: createHash('sha256').update(body).digest('hex'),
      complete: true,
      status: 200,
    });
    expect(entry?.headers).toEqual(
      expect.arrayContaining([
        ['aPi-KeY', KEY],
        ['X-Twice', 'a'],
        ['X-Twice', 'b'],
      ]),
    );
    await call('DELETE', '/-/received');
    expect(await received()).toEqual([]);
  });

  test('calls that were refused are in it too', async () => {
    await call('GET', '/nothing');
    await call('GET', '/models', { headers: { 'Api-Key': 'wrong' } });
    expect((await received()).map(({ status }) => status)).toEqual([404, 401]);
  });

  test('an upload that stops half way is in it, as incomplete', async () => {
    const socket = connect(emulator.port, '127.0.0.1');
    const head = `POST ${V3} HTTP/1.1\r\nHost: x\r\nApi-Key: ${KEY}\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000\r\n\r\n`;
    socket.write(`${head}half`);
    await vi.waitFor(async () => expect(await received()).toMatchObject([{ bodyBytes: 4, complete: false }]));
    socket.destroy();
    await vi.waitFor(async () => expect((await call('GET', '/models')).status).toBe(200));
    expect(await received()).toMatchObject([
      {
        bodyBytes: 4,
        bodySha256: createHash('sha256').update('half').digest('hex'),
        complete: false,
        status: null,
      },
      { target: '/models' },
    ]);
  });

  test('large uploads, several at once, arrive whole in little memory', async () => {
    const size = 18_000_000;
    const count = 3;
    const piece = Buffer.alloc(90_000, 7);
    const head = Buffer.from('--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n');
    const tail = Buffer.from(
      '\r\n--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\nx\r\n--b--\r\n',
    );
    let most = 0;
    function* upload() {
      yield head;
      for (let sent = 0; sent < size; sent += piece.length) {
        if (sent % 4_500_000 === 0) most = Math.max(most, bytesHeld());
        yield piece;
      }
      yield tail;
    }
    const before = bytesHeld();
    const one = () =>
      new Promise<number | undefined>((resolve, reject) => {
        const headers = { 'Api-Key': KEY, 'Content-Type': 'multipart/form-data; boundary=b' };
        const request = httpRequest(
          `${emulator.url}/v1/ideogram-v3/remix`,
          { method: 'POST', headers },
          (response) => {
            response.resume();
            resolve(response.statusCode);
          },
        );
        request.on('error', reject);
        Readable.from(upload()).pipe(request);
      });
    const statuses = await Promise.all(Array.from({ length: count }, one));
    expect(statuses).toEqual([200, 200, 200]);
    const expected = createHash('sha256');
    expected.update(head);
    for (let sent = 0; sent < size; sent += piece.length) expected.update(piece);
    expected.update(tail);
    const digest = expected.digest('hex');
    const entries = await received();
    expect(entries.map(({ bodySha256 }) => bodySha256)).toEqual([digest, digest, digest]);
    // Held whole they would come to 40 MB at the last look; what waits in sockets grows with the machine's load.
    expect(most - before).toBeLessThan((size * count) / 2);
  });
});

describe('Expect: 100-continue', () => {
  async function upload(key: string): Promise<{ continued: boolean; status: number | undefined }> {
    const body = JSON.stringify({ prompt: 'x' });
    const request = httpRequest(`${emulator.url}${V3}`, {
      method: 'POST',
      headers: {
        'Api-Key': key,
        'Content-Type': 'application/json',
        'Content-Length': Buffer.byteLength(body),
        Expect: '100-continue',
      },
    });
    request.flushHeaders();
    let continued = false;
    request.on('continue', () => {
      continued = true;
      request.end(body);
    });
    request.on('error', () => {});
    const [response] = (await once(request, 'response')) as [IncomingMessage]; // as: the event's only argument
    response.resume();
    request.destroy();
    return { continued, status: response.statusCode };
  }

  test('a good call is told to go on, a bad key is answered without the body', async () => {
    expect(await upload(KEY)).toEqual({ continued: true, status: 200 });
    expect(await upload('wrong')).toEqual({ continued: false, status: 401 });
  });
});

describe('as a process', () => {
  const main = fileURLToPath(new URL('../src/emulator/main.ts', import.meta.url));

  function start(env: Record<string, string>, stdio: 'pipe' | 'ipc' = 'pipe') {
    return spawn(process.execPath, [main], {
      env: { PATH: process.env['PATH'], ...env },
      stdio: stdio === 'ipc' ? ['ignore', 'pipe', 'pipe', 'ipc'] : ['ignore', 'pipe', 'pipe'],
    });
  }

  test.each(['SIGTERM', 'the end of its parent'] as const)(
    'it says where it listens in one line, and stops cleanly on %s',
    async (by) => {
      const child = start({ IDEOGATE_EMULATOR_KEYS: `other, ${KEY}` }, by === 'SIGTERM' ? 'pipe' : 'ipc');
      const exited = once(child, 'exit');
      const lines = createInterface({ input: child.stdout ?? Readable.from([]) });
      const [line] = (await once(lines, 'line')) as [string]; // as: the event's only argument
      const { url } = JSON.parse(line) as { url: string }; // as: the line under test
      const response = await fetch(`${url}/models`, { headers: { 'Api-Key': KEY } });
      expect([response.status, await response.json()]).toEqual([200, { models: [] }]);
      if (by === 'SIGTERM') child.kill('SIGTERM');
      else child.disconnect();
      expect(await exited).toEqual([0, null]);
    },
  );

  test('no key, a port that is none, and a port in use are one clear line each', async () => {
    const outcomes = await Promise.all(
      [
        {},
        { IDEOGATE_EMULATOR_KEYS: KEY, IDEOGATE_EMULATOR_PORT: 'x' },
        { IDEOGATE_EMULATOR_KEYS: KEY, IDEOGATE_EMULATOR_PORT: String(emulator.port) },
      ].map(async (env: Record<string, string>) => {
        const child = start(env);
        let errors = '';
        child.stderr?.on('data', (chunk: Buffer) => {
          errors += chunk.toString();
        });
        const [status] = (await once(child, 'close')) as [number]; // as: first argument of the event
        return [status, errors];
      }),
    );
    expect(outcomes).toEqual([
      [3, expect.stringMatching(/^IDEOGATE_EMULATOR_KEYS .*\n$/)],
      [3, expect.stringMatching(/^IDEOGATE_EMULATOR_PORT .*\n$/)],
      [1, expect.stringMatching(/^The emulator cannot listen .*EADDRINUSE.*\n$/)],
    ]);
  });
});

test('the emulator listens on loopback only', async () => {
  await expect(createEmulator({ host: '0.0.0.0', keys: { accept: [KEY] } })).rejects.toThrow(RangeError);
});
