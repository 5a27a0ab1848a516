import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { FAKE_KEYS, type Received, selfSigned, startTestGateway, type TestGateway } from '@ideogate/testkit';
import axios from 'axios';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  AXIOS,
  type ClientCall,
  curl,
  curlCalls,
  FETCH,
  hasCurl,
  IDEOGRAM_API,
  ideogramApi,
} from './client-calls.ts';
import { type Sent, startTap, type Tap } from './tap.ts';

const folder = mkdtempSync(join(tmpdir(), 'ideogate-clients-'));
const imageFile = join(folder, 'a photo.png');
writeFileSync(imageFile, createHash('sha512').update('an image').digest());
const CURL = await hasCurl();

/** The same server, as its callers reach it: in plain, and behind TLS for a client that takes nothing else. */
interface Door {
  readonly plain: Tap;
  readonly secure: Tap;
}

let gateway: TestGateway;
let straight: Door;
let through: Door;
const tokens = new Map<string, string>();

beforeAll(async () => {
  gateway = await startTestGateway();
  for (const caller of ['full', 'writer', 'reader']) tokens.set(caller, await gateway.token(caller));
  const certificate = selfSigned('127.0.0.1', ['20', '49']);
  setDefaultCACertificates([...getCACertificates('default'), certificate.cert]);
  const doorTo = async (origin: string): Promise<Door> => ({
    plain: await startTap(origin),
    secure: await startTap(origin, certificate),
  });
  straight = await doorTo(gateway.upstream);
  through = await doorTo(gateway.url);
});
afterAll(async () => {
  for (const door of [straight, through]) {
    await door?.plain.close();
    await door?.secure.close();
  }
  await gateway?.close();
  rmSync(folder, { recursive: true, force: true });
});

const tokenOf = (caller: string) => tokens.get(caller) ?? '';

const CLIENTS: readonly (readonly [
  client: string,
  door: keyof Door,
  calls: Readonly<Record<string, ClientCall>>,
])[] = [
  ['fetch', 'plain', FETCH],
  ['axios with form-data', 'plain', AXIOS],
  ['ideogram-api from npm', 'secure', IDEOGRAM_API],
  ['curl', 'plain', curlCalls(imageFile)],
];
const CASES = CLIENTS.flatMap(([client, door, calls]) =>
  Object.entries(calls).flatMap(([name, call]) =>
    ['full', 'writer'].map((caller) => ({ client, door, name, call, caller })),
  ),
);

describe('a client that a service already has, with only its base URL and key replaced', () => {
  test.for(CASES)(
    '$client: $name, as $caller: same answer, same upload',
    async ({ client, call, door, caller }, { skip }) => {
      skip(client === 'curl' && !CURL, 'this machine has no curl');
      const expected = await call({ url: straight[door].url, credential: FAKE_KEYS.write });
      const tap = through[door];
      tap.forget();
      const before = (await gateway.received()).length;
      const heard = await call({ url: tap.url, credential: tokenOf(caller) });
      expect(withoutChance(heard)).toEqual(withoutChance(expected));
      const received = (await gateway.received()).slice(before);
      expect(received).not.toHaveLength(0);
      expect(received.filter(({ complete, status }) => !complete || status !== 200)).toEqual([]);
      expect(received.map(asUploaded).sort(byText)).toEqual(tap.sent().map(asSent).sort(byText));
      expect(JSON.stringify(received)).not.toContain(tokenOf(caller));
    },
  );
});

const GENERATE = '/v1/ideogram-v3/generate';
const JSON_CALL = { prompt: 'a lighthouse', rendering_speed: 'TURBO', seed: 7 };
const AS_JSON = ['-H', 'Content-Type: application/json', '-d', JSON.stringify(JSON_CALL)];

describe.skipIf(!CURL)('curl', () => {
  const big = join(folder, 'big.png');
  writeFileSync(big, Buffer.alloc(2_000_000, 'two megabytes '));
  const texts = ['--form-string', 'prompt=a lighthouse', '--form-string', 'rendering_speed=TURBO'];
  const upload = [...texts, '-F', `image=@${big}`];
  const remix = '/v1/ideogram-v3/remix';

  test.each(['full', 'writer'])(
    'an upload of 2 MB waits for 100 Continue, gets it, and arrives unchanged (%s)',
    async (caller) => {
      through.plain.forget();
      const { stdout } = await curl([
        ['-i', '-H', `Api-Key: ${tokenOf(caller)}`, ...upload],
        through.plain.url + remix,
      ]);
      expect(stdout).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n/);
      const [sent] = through.plain.sent();
      expect(sent?.headers.get('expect')).toBe('100-continue');
      expect(sent?.body.length).toBeGreaterThan(2_000_000);
      expect(asUploaded(await lastReceived())).toEqual(sent === undefined ? undefined : asSent(sent));
    },
  );

  test('a refused upload of 2 MB is refused before a byte of it is sent', async () => {
    through.plain.forget();
    const before = (await gateway.received()).length;
    const { stdout } = await curl([
      ['-i', '-H', `Api-Key: ${tokenOf('reader')}`, ...upload],
      through.plain.url + remix,
    ]);
    expect(stdout).toMatch(/^HTTP\/1\.1 403 /);
    expect(through.plain.sent()[0]?.body).toHaveLength(0);
    expect(await gateway.received()).toHaveLength(before);
  });

  test.each([
    [
      'JSON, however it is spelled',
      'application/json; charset=utf-8',
      GENERATE,
      '{ "rendering_speed" : "TURB\\u004f",\n\t"prompt": "a \\/ lighthouse \\ud83d\\ude80" , "seed":7 }\r\n',
    ],
    [
      'a form',
      'multipart/form-data; boundary=x',
      '/describe',
      '--x\r\nContent-Disposition: form-data; name="image_file"; filename="a.png"\r\n\r\npicture\r\n--x--\r\n',
    ],
  ])('%s from standard input goes on in chunks, unchanged', async (_what, type, path, body) => {
    through.plain.forget();
    const { stdout } = await curl(
      [
        ['-X', 'POST', '-T', '-', '-H', `Content-Type: ${type}`, '-w', '%{http_code}', '-o', '/dev/null'],
        ['-H', `Api-Key: ${tokenOf('writer')}`, through.plain.url + path],
      ],
      body,
    );
    expect(stdout).toBe('200');
    expect(through.plain.sent()[0]?.headers.get('transfer-encoding')).toBe('chunked');
    expect(asUploaded(await lastReceived())).toMatchObject({
      type,
      sha256: createHash('sha256').update(body).digest('hex'),
    });
  });

  test('one connection serves call after call, a refused one in between', async () => {
    through.plain.forget();
    const call = (path: string) => ['-o', '/dev/null', through.plain.url + path];
    const { stdout } = await curl([
      ['-w', '%{http_code}:%{num_connects} ', '-H', `Api-Key: ${tokenOf('writer')}`, ...AS_JSON],
      ...call(GENERATE),
      ...call('/v1/nothing/here'),
      ...call(GENERATE),
    ]);
    expect(stdout).toBe('200:1 404:0 200:0 ');
    expect(through.plain.connections()).toBe(1);
  });

  test.each([
    'api-key: TOKEN',
    'Api-Key: TOKEN',
    'API-KEY: TOKEN',
    'Authorization: Bearer TOKEN',
    'authorization: bearer TOKEN',
  ])('"%s" is a credential, and goes no further than the gateway', async (field) => {
    const token = tokenOf('writer');
    const { stdout } = await curl([
      ['-o', '/dev/null', '-w', '%{http_code}', '-H', field.replace('TOKEN', token), ...AS_JSON],
      through.plain.url + GENERATE,
    ]);
    expect(stdout).toBe('200');
    const { headers } = await lastReceived();
    const credentials = headers.filter(([name]) => /^(?:api-key|authorization)$/i.test(name));
    expect(credentials).toEqual([['api-key', FAKE_KEYS.write]]);
  });

  test('--fail-with-body: exit code 22, and the sentence that says why the gateway refused', async () => {
    const { stdout, exitCode } = await curl([
      ['--fail-with-body', '-H', `Api-Key: ${tokenOf('reader')}`, ...AS_JSON],
      through.plain.url + GENERATE,
    ]);
    expect(exitCode).toBe(22);
    expect(JSON.parse(stdout)).toMatchObject({ message: await sentence() });
  });
});

describe("a client's own error tells why the gateway refused", () => {
  const refused = (door: Tap) => ({ url: door.url, credential: tokenOf('reader') });

  test('axios: error.response.data.message', async () => {
    const { url, credential } = refused(through.plain);
    const call = axios.post(url + GENERATE, JSON_CALL, { headers: { 'Api-Key': credential }, proxy: false });
    const why = await sentence();
    await expect(call).rejects.toMatchObject({
      response: { status: 403, data: { message: why, error: why } },
    });
  });

  test('ideogram-api: its log for a 403, whose error is a sentence of its own', async () => {
    const lines = await printedBy(async () => {
      const call = ideogramApi(refused(through.secure)).generate({ prompt: 'a lighthouse' });
      await expect(call).rejects.toThrow('Not authorized to perform this operation.');
    });
    expect(lines).toContain(`API request failed (403): ${await sentence()}`);
  });

  test('ideogram-api: error.message for what else the gateway answers', async () => {
    await gateway.fault({ redirect: 'https://elsewhere.example/', times: 1 });
    const place = { url: through.secure.url, credential: tokenOf('full') };
    await printedBy(async () => {
      const call = ideogramApi(place).generate({ prompt: 'a lighthouse' });
      await expect(call).rejects.toThrow(/^API error \(502\): \S.* \S/);
    });
  });
});

/** What the gateway says to a caller whose scope is missing. */
async function sentence(): Promise<string> {
  const response = await fetch(gateway.url + GENERATE, {
    method: 'POST',
    headers: { 'Api-Key': tokenOf('reader'), 'Content-Type': 'application/json' },
    body: JSON.stringify(JSON_CALL),
  });
  expect(response.status).toBe(403);
  const problem = (await response.json()) as Record<string, string>; // as: RFC 9457, and our own two members
  expect(problem['detail']).toContain('write:generate');
  expect(problem).toMatchObject({ message: problem['detail'], error: problem['detail'] });
  return problem['detail'] ?? '';
}

/** What the client's logger prints meanwhile, and keeps it out of the test run's own output. */
async function printedBy(work: () => Promise<void>): Promise<string> {
  const stream = Reflect.get(console, '_stdout') as Writable; // as: where winston prints, beneath the console
  const write = vi.spyOn(stream, 'write').mockReturnValue(true);
  try {
    await work();
    return write.mock.calls.map(([text]) => String(text)).join('');
  } finally {
    write.mockRestore();
  }
}

async function lastReceived(): Promise<Received> {
  const last = (await gateway.received()).at(-1);
  if (last === undefined) throw new Error('the emulator received nothing');
  return last;
}

/** What differs from call to call whatever stands between: times, ids, and the signature of a link. */
function withoutChance(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutChance);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => {
      if (['created', 'generation_id', 'request_id', 'description_id'].includes(name))
        return [name, typeof member];
      if (name === 'url' && typeof member === 'string') return [name, new URL(member).pathname];
      return [name, withoutChance(member)];
    }),
  );
}

type Upload = Readonly<Record<'method' | 'target' | 'type' | 'bytes' | 'sha256', string>>;

function asSent({ method, target, headers, body }: Sent): Upload {
  return {
    method,
    target,
    type: headers.get('content-type') ?? '',
    bytes: String(body.length),
    sha256: createHash('sha256').update(body).digest('hex'),
  };
}

function asUploaded(request: Received): Upload {
  return {
    method: request.method,
    target: request.target,
    type: request.headers.find(([name]) => name.toLowerCase() === 'content-type')?.[1] ?? '',
    bytes: String(request.bodyBytes),
    sha256: request.bodySha256,
  };
}

function byText(one: Upload, other: Upload): number {
  return JSON.stringify(one).localeCompare(JSON.stringify(other));
}
