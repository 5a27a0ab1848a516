import { generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { TrustedIssuer } from '@ideogate/access-token';
import { startTestGateway, type TestGateway } from '@ideogate/testkit';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';

/*
 * One gateway that trusts an issuer per situation. Each issuer is in order while the gateway starts, then gets into
 * its situation, is flooded, stays in it for an hour, and recovers. Only the clock is not real.
 */

const FLOOD = 200;
/** As the verifier has them by default, in seconds. */
const COOLDOWN = 10;
const HOUR = 3600;

interface Key {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly jwk: object;
}

function newKey(kid: string): Key {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { kid, privateKey, jwk: { ...publicKey.export({ format: 'jwk' }), kid, alg: 'ES256', use: 'sig' } };
}

const known = newKey('known');
const fresh = newKey('new');
const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' });

/** A real HTTP server that publishes a key set, in good and in bad manner. */
interface Issuer {
  readonly url: string;
  readonly server: Server;
  /** Answers a fetch of the key set. */
  manner: (response: ServerResponse) => void;
  fetches: number;
}

const send = (response: ServerResponse, keys: readonly object[], status = 200) =>
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ keys }));

const good =
  (...keys: readonly Key[]) =>
  (response: ServerResponse) =>
    void send(
      response,
      keys.map(({ jwk }) => jwk),
    );

async function startIssuer(): Promise<Issuer> {
  const server = createServer((request, response) => {
    if (request.url !== '/jwks') {
      // Whoever follows the redirect would find a good set there.
      good(known, fresh)(response);
      return;
    }
    issuer.fetches++;
    issuer.manner(response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  const issuer: Issuer = { url: `http://127.0.0.1:${address.port}`, server, manner: good(known), fetches: 0 };
  return issuer;
}

/** Writes as long as anybody reads. */
function pour(response: ServerResponse, bytes: number): void {
  const chunk = Buffer.alloc(64 * 1024, ' ');
  response.writeHead(200, { 'content-type': 'application/json' });
  let left = bytes;
  const more = () => {
    while (left > 0 && !response.destroyed) {
      left -= chunk.length;
      if (!response.write(chunk)) return;
    }
    if (left <= 0) response.end();
  };
  response.on('drain', more);
  more();
}

/** What each kind of caller is answered. Several statuses: it depends on when the call came. */
interface Expected {
  readonly known: string;
  readonly fresh: string;
  readonly junk: string;
  readonly afterAnHour: string;
}

const OUTAGE: Expected = { known: '200', fresh: '503', junk: '503', afterAnHour: '503' };
const IN_ORDER: Expected = { known: '200', fresh: '200', junk: '401 or 503', afterAnHour: '200' };

interface Situation {
  readonly what: string;
  readonly expected: Expected;
  /** `down`: nobody listens. */
  readonly manner: 'down' | ((response: ServerResponse) => void);
}

const outage = (what: string, manner: Situation['manner']): Situation => ({ what, manner, expected: OUTAGE });

const SITUATIONS: readonly Situation[] = [
  { what: 'in order', manner: good(known, fresh), expected: IN_ORDER },
  outage('down', 'down'),
  outage('breaks off', (response) => response.destroy()),
  outage('never answers', () => undefined),
  outage('slower than a fetch may be', (response) => {
    setTimeout(() => good(known, fresh)(response), 2000).unref();
  }),
  outage('500, with a good set', (response) => {
    send(response, [known.jwk, fresh.jwk], 500);
  }),
  outage('an HTML page', (response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<html>Sign in</html>');
  }),
  outage('a redirect to a good set', (response) => {
    response.writeHead(302, { location: '/elsewhere' }).end();
  }),
  outage('cut short', (response) => {
    response.writeHead(200, { 'content-length': '5000' });
    response.write('{"keys":[', () => response.destroy());
  }),
  outage('an answer without end', (response) => pour(response, Number.POSITIVE_INFINITY)),
  outage('10 MB', (response) => pour(response, 10 * 1024 * 1024)),
  outage('no keys', (response) => {
    send(response, []);
  }),
  outage('one id twice', (response) => {
    send(response, [known.jwk, { ...fresh.jwk, kid: known.kid }, fresh.jwk]);
  }),
  outage('private parts', (response) => {
    send(response, [known.jwk, { ...fresh.jwk, ...fresh.privateKey.export({ format: 'jwk' }) }]);
  }),
  outage('a shared secret', (response) => {
    send(response, [known.jwk, fresh.jwk, { kty: 'oct', kid: 'secret', k: 'ZmFrZQ' }]);
  }),
  outage('a weak key', (response) => {
    send(response, [known.jwk, fresh.jwk, { ...weak, kid: 'weak', alg: 'RS256' }]);
  }),
];

/** What came of one situation. */
interface Result {
  readonly known: ReadonlySet<number>;
  readonly fresh: ReadonlySet<number>;
  readonly junk: ReadonlySet<number>;
  readonly afterAnHour: ReadonlySet<number>;
  /** Key-set fetches of the flood, and of another after the cool-down. */
  readonly fetches: readonly [number, number];
  readonly recovered: readonly number[];
  readonly grownBytes: number;
}

let gateway: TestGateway;
let ahead = 0;
const issuers: Issuer[] = [];
const results = new Map<string, Result>();
/** Every 503 without Retry-After. */
const withoutRetryAfter: string[] = [];

function token(issuer: Issuer, key: Key, kid = key.kid): string {
  const now = Math.floor(Date.now() / 1000);
  const header = { alg: 'ES256', kid, typ: 'at+jwt' };
  const claims = {
    iss: issuer.url,
    aud: gateway.url,
    sub: 'reader',
    client_id: 'reader',
    jti: randomUUID(),
    iat: now,
    exp: now + 300,
    scope: 'read:models',
  };
  const input = [header, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  const signature = sign('sha256', Buffer.from(input), { key: key.privateKey, dsaEncoding: 'ieee-p1363' });
  return `${input}.${signature.toString('base64url')}`;
}

async function ask(bearer: string): Promise<number> {
  const response = await fetch(`${gateway.url}/models`, { headers: { authorization: `Bearer ${bearer}` } });
  const text = await response.text();
  if (response.status === 503 && !(Number(response.headers.get('retry-after')) >= 1))
    withoutRetryAfter.push(text);
  return response.status;
}

async function statuses(bearers: readonly string[]): Promise<ReadonlySet<number>> {
  return new Set(await Promise.all(bearers.map(ask)));
}

const many = <T>(count: number, make: () => T): T[] => Array.from({ length: count }, make);
const junkOf = (issuer: Issuer) => token(issuer, fresh, randomUUID());

/** Hours have passed with the others: a set just fetched, and its cool-down over. */
async function renew(issuer: Issuer): Promise<void> {
  ahead += HOUR * 1000;
  expect(await ask(token(issuer, known))).toBe(200);
  ahead += COOLDOWN * 1000;
}

async function flood({ what, manner }: Situation, issuer: Issuer): Promise<Result> {
  const memory = process.memoryUsage().rss;
  if (manner === 'down') {
    issuer.server.close();
    issuer.server.closeAllConnections();
  } else issuer.manner = manner;
  const before = issuer.fetches;
  const [junk, ofKnown, ofFresh] = await Promise.all([
    statuses(many(FLOOD, () => junkOf(issuer))),
    statuses(many(5, () => token(issuer, known))),
    statuses([token(issuer, fresh)]),
  ]);
  const first = issuer.fetches - before;
  ahead += COOLDOWN * 1000;
  const again = await statuses(many(20, () => junkOf(issuer)));
  const later = await statuses([token(issuer, known)]);
  const freshLater = await statuses([token(issuer, fresh)]);
  const second = issuer.fetches - before - first;
  ahead += HOUR * 1000;
  const afterAnHour = await statuses([token(issuer, known)]);
  // Out of the situation again, with both keys.
  const grownBytes = process.memoryUsage().rss - memory;
  issuer.manner = good(known, fresh);
  if (manner === 'down') {
    issuer.server.listen(Number(new URL(issuer.url).port), '127.0.0.1');
    await once(issuer.server, 'listening');
  }
  ahead += COOLDOWN * 1000;
  const recovered = [await ask(token(issuer, fresh)), await ask(token(issuer, known))];
  return {
    known: new Set([...ofKnown, ...later]),
    fresh: what === 'in order' ? freshLater : new Set([...ofFresh, ...freshLater]),
    junk: new Set([...junk, ...again]),
    afterAnHour,
    fetches: [first, second],
    recovered,
    grownBytes,
  };
}

beforeAll(async () => {
  const real = Date.now;
  vi.spyOn(Date, 'now').mockImplementation(() => real() + ahead);
  issuers.push(...(await Promise.all(many(SITUATIONS.length + 1, startIssuer))));
  const trusted = issuers.map(
    ({ url }): TrustedIssuer => ({
      issuer: url,
      algorithms: ['ES256', 'RS256'],
      keys: { jwksUri: `${url}/jwks` },
    }),
  );
  gateway = await startTestGateway({ verifier: { issuers: trusted, fetchTimeoutMs: 800 } });
  for (const [index, situation] of SITUATIONS.entries()) {
    const issuer = issuers[index];
    if (issuer === undefined) throw new Error('there is an issuer for each situation');
    await renew(issuer);
    results.set(situation.what, await flood(situation, issuer));
  }
}, 120_000);
afterAll(async () => {
  vi.restoreAllMocks();
  await gateway?.close();
  for (const { server } of issuers) {
    server.close();
    server.closeAllConnections();
  }
});

describe.each(SITUATIONS)('the key set is $what', ({ what, expected }) => {
  const result = () => {
    const found = results.get(what);
    if (found === undefined) throw new Error(`nothing is known of ${what}`);
    return found;
  };
  const allowed = (cell: string) => cell.split(' or ').map(Number);

  test('known tokens go on, no valid token gets 401, and junk stops nobody', () => {
    for (const kind of ['known', 'fresh', 'junk', 'afterAnHour'] as const) {
      const found = [...result()[kind]];
      expect([kind, found.filter((status) => !allowed(expected[kind]).includes(status))]).toEqual([kind, []]);
    }
    for (const kind of ['known', 'fresh', 'afterAnHour'] as const) expect(result()[kind]).not.toContain(401);
  });

  test('a flood makes one fetch a cool-down, and none is heavy', () => {
    const { fetches, grownBytes } = result();
    // Nobody counts the fetches of an issuer that does not listen.
    expect(fetches).toEqual(what === 'down' ? [0, 0] : [1, 1]);
    expect(grownBytes).toBeLessThan(64 * 1024 * 1024);
  });

  test('when it is in order again, both keys are good within a cool-down, without a restart', () => {
    expect(result().recovered).toEqual([200, 200]);
  });
});

test('every 503 says when to come again', () => {
  expect(withoutRetryAfter).toEqual([]);
});

test('a key set rotated while it is being fetched: a token of the new key is told to wait, then taken', async () => {
  const issuer = issuers.at(-1);
  if (issuer === undefined) throw new Error('there is an issuer for this');
  await renew(issuer);
  const held: ServerResponse[] = [];
  issuer.manner = (response) => void held.push(response);
  const junk = ask(junkOf(issuer));
  await expect.poll(() => held.length, { timeout: 700, interval: 5 }).toBe(1);
  // The issuer signs with the new key from now on; the answer on its way does not know it yet.
  const before = issuer.fetches;
  const early = ask(token(issuer, fresh));
  const beside = await ask(token(issuer, known));
  issuer.manner = good(known, fresh);
  for (const response of held) good(known)(response);
  expect(beside).toBe(200);
  expect([await junk, await early]).toEqual([expect.toBeOneOf([401, 503]), 503]);
  expect(issuer.fetches).toBe(before);
  ahead += COOLDOWN * 1000;
  expect(await ask(token(issuer, fresh))).toBe(200);
  expect(await ask(token(issuer, known))).toBe(200);
  expect(issuer.fetches).toBe(before + 1);
});

test('the page says what was seen', () => {
  const page = readFileSync(new URL('../../../docs/key-set-outages.md', import.meta.url), 'utf8');
  const [, table = ''] = /<!-- outages -->\n([^]*?)<!-- \/outages -->/.exec(page) ?? [];
  const rows = SITUATIONS.map(({ what, expected }) =>
    [
      what,
      expected.known,
      expected.fresh,
      expected.junk,
      what === 'down' ? '–' : '1',
      expected.afterAnHour,
    ].join(' | '),
  );
  expect(table.trim().split('\n').slice(2)).toEqual(rows.map((row) => `| ${row} |`));
});
