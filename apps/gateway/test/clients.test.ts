import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { FAKE_KEYS, selfSigned, startTestGateway, type TestGateway } from '@ideogate/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  AIGNE_IDEOGRAM,
  AXIOS,
  type ClientCall,
  curlCalls,
  FETCH,
  hasCurl,
  IDEOGRAM_API,
} from './client-calls.ts';
import { startTap, type Tap } from './tap.ts';

const folder = mkdtempSync(join(tmpdir(), 'ideogate-clients-'));
const imageFile = join(folder, 'a photo.png');
writeFileSync(imageFile, createHash('sha512').update('an image').digest());
const CURL = await hasCurl();
const testWithCurl = CURL ? test : test.skip;

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
  ['@aigne/ideogram from npm', 'plain', AIGNE_IDEOGRAM],
  ...(CURL ? [['curl', 'plain', curlCalls(imageFile)] as const] : []),
];
const CASES = CLIENTS.flatMap(([client, door, calls]) =>
  Object.entries(calls).flatMap(([name, call]) =>
    ['full', 'writer'].map((caller) => ({ client, door, name, call, caller })),
  ),
);

describe('a client that a service already has, with only its base URL and key replaced', () => {
  test.each(CASES)('$client: $name, as $caller: same answer, same upload', async ({ call, door, caller }) => {
    const expected = await call({ url: straight[door].url, credential: FAKE_KEYS.write });
    const tap = through[door];
    tap.forget();
    const before = (await gateway.received()).length;
    const heard = await call({ url: tap.url, credential: tokenOf(caller) });
    expect(withoutChance(heard)).toEqual(withoutChance(expected));
    const received = (await gateway.received()).slice(before);
    expect(received).not.toHaveLength(0);
    expect(received.every(({ complete, status }) => complete && status === 200)).toBe(true);
    expect(received.map(asUploaded).sort(byText)).toEqual(tap.sent().map(asSent).sort(byText));
    expect(JSON.stringify(received)).not.toContain(tokenOf(caller));
  });

  if (!CURL) testWithCurl('curl: every call, same answer, same upload', () => undefined);
});

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

function asSent({ method, target, headers, body }: ReturnType<Tap['sent']>[number]): Upload {
  return {
    method,
    target,
    type: headers.get('content-type') ?? '',
    bytes: String(body.length),
    sha256: createHash('sha256').update(body).digest('hex'),
  };
}

function asUploaded(request: Awaited<ReturnType<TestGateway['received']>>[number]): Upload {
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
