import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { FAKE_KEYS, selfSigned, startTestGateway, type TestGateway } from '@ideogate/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { beginUpload, bodyOf, callFrom, callIdOf, get, postJson } from './raw-caller.ts';
import {
  type Behaviour,
  type RawUpstream,
  say,
  sayAndClose,
  startBeforeRaw,
  startRawUpstream,
} from './raw-upstream.ts';

const GENERATE = '/v1/ideogram-v3/generate';
const READ = '/v1/generations/fake-generation';
/** What fetch says of a body that broke off. */
const BROKEN_OFF = /terminated|fetch failed/;
const FAST = {
  IDEOGATE_UPSTREAM_FIRST_BYTE_MS: '600',
  IDEOGATE_UPSTREAM_WHOLE_MS: '1200',
  IDEOGATE_DISCARD_MS: '500',
};

const generate = (token: string) => ({
  method: 'POST',
  headers: { 'api-key': token, 'content-type': 'application/json' },
  body: JSON.stringify({ prompt: 'a lighthouse', rendering_speed: 'TURBO' }),
});

describe('when Ideogram fails', () => {
  let gateway: TestGateway;
  let token: string;

  beforeAll(async () => {
    gateway = await startTestGateway({ settings: FAST });
    token = await gateway.token('full');
  });
  beforeEach(async () => {
    await gateway.fault({});
    await fetch(`${gateway.upstream}/-/received`, { method: 'DELETE' });
  });
  afterAll(() => gateway?.close());

  test('a key that was refused is reported as suspect by its id, and by nothing else of it', async () => {
    await gateway.fault({ status: 401 });
    const response = await fetch(`${gateway.url}${READ}`, { headers: { 'api-key': token } });
    expect(response.status).toBe(502);
    const { keyId } = await gateway.call(response);
    const ready = await fetch(`${gateway.url}/-/ready`);
    expect(ready.status).toBe(503);
    const text = await ready.text();
    expect(text).toContain(keyId);
    expect(text).not.toContain('MARKED');
  });

  describe.each([
    ['a paid call', GENERATE, true],
    ['a read', READ, false],
  ])('trap 1: %s goes out once, and the answer comes back as it is (D.44)', (_, path, paid) => {
    test.each([400, 402, 404, 409, 422, 429, 500, 502, 503, 504])('status %i', async (status) => {
      const fault = { status, body: { error: `as Ideogram said: ${status}` } };
      await gateway.fault(fault);
      const response = await fetch(
        `${gateway.url}${path}`,
        paid ? generate(token) : { headers: { 'api-key': token } },
      );
      expect(response.status).toBe(status);
      expect(response.headers.get('content-type')).toBe('application/json');
      expect(await response.json()).toEqual(fault.body);
      expect(await gateway.call(response)).toMatchObject({
        outcome: 'completed',
        result: 'failure',
        status,
        upstreamStatus: status,
        costUsdMicros: 0,
      });
      expect(await gateway.received()).toHaveLength(1);
    });
  });

  test.each([
    ['body', 502, ''],
    ['split-body', 200, '{"echo":"'],
  ])('the key in the %s: cut before its first byte', async (echoKey, status, before) => {
    await gateway.fault({ echoKey });
    const caller = await callFrom(gateway.port, postJson(GENERATE, token, { prompt: 'a lighthouse' }));
    const answer = await caller.closed;
    expect(answer).not.toContain('fake-');
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    if (status === 502) expect(bodyOf(answer)).toContain('"code":"upstream-leak"');
    else
      expect(
        bodyOf(answer)
          .replace(/^[0-9a-f]+\r\n/i, '')
          .trim(),
      ).toBe(before);
    expect(await gateway.call(callIdOf(answer))).toMatchObject({
      outcome: 'cut',
      result: 'failure',
      problem: 'upstream-leak',
      reason: 'key-in-body',
    });
  });

  test('an answer that comes drop by drop comes whole', async () => {
    await gateway.fault({ drip: { bytes: 100, everyMs: 20 } });
    const response = await fetch(`${gateway.url}${GENERATE}`, generate(token));
    expect(await response.json()).toHaveProperty('data');
    expect(await gateway.call(response)).toMatchObject({ outcome: 'completed', images: 1 });
  });

  test('a compressed answer passes as it is, and its encoding with it', async () => {
    await gateway.fault({ compress: true });
    const response = await fetch(`${gateway.url}${GENERATE}`, generate(token));
    expect(response.headers.get('content-encoding')).toBe('gzip');
    expect(await response.json()).toHaveProperty('data');
  });

  test('trap 26: a JSON body arrives byte for byte, spaces and all (D.45)', async () => {
    const body = ' { "prompt" : "a lighthouse" ,\n "rendering_speed":"TURBO"}\n';
    const response = await fetch(`${gateway.url}${GENERATE}`, { ...generate(token), body });
    expect(response.status).toBe(200);
    await gateway.call(response);
    const bodySha256 = createHash('sha256').update(body).digest('hex');
    expect(await gateway.received()).toMatchObject([{ bodySha256, complete: true }]);
  });

  test('trap 25: a bound broken in the middle of an upload refuses it, and the gateway lives on', async () => {
    const writer = await gateway.token('writer');
    const body = new FormData();
    body.set('prompt', 'a lighthouse');
    body.set('rendering_speed', 'TURBO');
    body.set('image', new Blob([Buffer.alloc(300_000)], { type: 'image/png' }), 'a.png');
    body.set('num_images', '2');
    const response = await fetch(`${gateway.url}/v1/ideogram-v3/remix`, {
      method: 'POST',
      headers: { 'api-key': writer },
      body,
    });
    expect(response.status).toBe(403);
    expect(await response.json()).toMatchObject({ code: 'bound-exceeded', field: 'num_images' });
    expect(await gateway.call(response)).toMatchObject({ outcome: 'bound-exceeded', costUsdMicros: 0 });
    expect((await gateway.received()).filter((one) => one.complete)).toEqual([]);
    const next = await fetch(`${gateway.url}${GENERATE}`, generate(token));
    expect(next.status).toBe(200);
  });

  test.each([
    ['with its length', false],
    ['in chunks', true],
  ])(
    'a bound found broken only at the end of an upload (%s): Ideogram never gets that end',
    async (_, chunked) => {
      const writer = await gateway.token('writer');
      const form = new FormData();
      form.set('prompt', 'a lighthouse');
      form.set('image', new Blob([Buffer.alloc(300_000)], { type: 'image/png' }), 'a.png');
      // No rendering_speed: the default is beyond the bound, and only the end shows that it was left out.
      const plain = new Request(gateway.url, { method: 'POST', body: form });
      const bytes = Buffer.from(await plain.arrayBuffer());
      const response = await fetch(`${gateway.url}/v1/ideogram-v3/remix`, {
        method: 'POST',
        headers: { 'api-key': writer, 'content-type': plain.headers.get('content-type') ?? '' },
        body: chunked ? new Blob([bytes]).stream() : bytes,
        duplex: 'half',
      });
      expect(response.status).toBe(403);
      expect(await response.json()).toMatchObject({ code: 'bound-exceeded', field: 'rendering_speed' });
      expect(await gateway.call(response)).toMatchObject({ outcome: 'bound-exceeded', costUsdMicros: 0 });
      await vi.waitUntil(async () => (await gateway.received()).length === 1, {
        timeout: 5000,
        interval: 10,
      });
      expect(await gateway.received()).toMatchObject([{ complete: false, status: null }]);
    },
  );

  test('trap 29: answered and closed in the middle of an upload: its status, or 502; sent once', async () => {
    await gateway.fault({ earlyClose: { status: 429 } });
    const size = 8_000_000;
    const request = beginUpload('/v1/ideogram-v3/remix', token, size);
    const caller = await callFrom(gateway.port, request);
    caller.socket.write(Buffer.alloc(size / 2));
    const answer = await caller.closed;
    const status = Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);
    expect([429, 502]).toContain(status);
    const call = await gateway.call(callIdOf(answer));
    expect(call).toMatchObject({ status, result: 'failure', costUsdMicros: 0 });
    if (status === 502) expect(call).toMatchObject({ outcome: 'failed', problem: 'upstream-ended-early' });
    expect(await gateway.received()).toHaveLength(1);
  });
});

describe('when what answers is not Ideogram', () => {
  let gateway: TestGateway;
  let upstream: RawUpstream;
  let token: string;

  beforeAll(async () => {
    const started = await startBeforeRaw({
      ...FAST,
      IDEOGATE_MAX_ANSWER_BYTES: '65536',
      IDEOGATE_BODY_IDLE_MS: '300',
    });
    ({ gateway, upstream, token } = started);
    return started.close;
  });

  const ok = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n';
  const failures: readonly [sentence: string, behaviour: Behaviour, status: number, code: string][] = [
    ['a banner of something else', say('SSH-2.0-something\r\n'), 502, 'upstream-invalid'],
    ['garbage', sayAndClose('\0\x01\x02\xff\xfe garbage'), 502, 'upstream-invalid'],
    ['two lengths', say(`${ok}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} `), 502, 'upstream-invalid'],
    [
      'a length with chunks',
      say(`${ok}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}`),
      502,
      'upstream-invalid',
    ],
    ['a status that is none', say('HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n'), 502, 'upstream-invalid'],
    ['a status below all', say('HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n'), 502, 'upstream-invalid'],
    [
      'a switch of protocols',
      say('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n'),
      502,
      'upstream-ended-early',
    ],
    ['half a head, then silence', say('HTTP/1.1 200 OK\r\nContent-Ty'), 504, 'upstream-timeout'],
    ['half a head, then the end', sayAndClose('HTTP/1.1 200 OK\r\nContent-Ty'), 502, 'upstream-ended-early'],
    ['nothing, then the end', (socket) => socket.end(), 502, 'upstream-ended-early'],
    ['nothing, then a reset', (socket) => socket.resetAndDestroy(), 502, 'upstream-ended-early'],
  ];

  test.each(failures)(
    '%s: the caller gets a problem, it is on record, sent once',
    async (_, behaviour, status, code) => {
      upstream.behave(behaviour);
      const response = await fetch(`${gateway.url}${GENERATE}`, generate(token));
      const problem = await response.json();
      expect(problem).toMatchObject({ status, code });
      expect(response.status).toBe(status);
      const call = await gateway.call(response);
      expect(call).toMatchObject({ outcome: 'failed', problem: code, status });
      // It went out: that nothing was bought is said only of a status that says so.
      if (call.upstreamStatus === null) expect(call.costUsdMicros).toBeNull();
      expect(upstream.read().match(/POST /g)).toHaveLength(1);
    },
  );

  test('an answer with two Connection fields passes, without the fields that they name', async () => {
    upstream.behave(
      say(
        `${ok}Connection: a, retry-after\r\nConnection: b\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\n{}`,
      ),
    );
    const response = await fetch(`${gateway.url}${GENERATE}`, generate(token));
    expect(response.status).toBe(200);
    expect(response.headers.get('retry-after')).toBeNull();
    expect(await response.text()).toBe('{}');
    expect(await gateway.call(response)).toMatchObject({ outcome: 'completed', costUsdMicros: 30_000 });
  });

  const brokenBodies: readonly [string, Behaviour][] = [
    ['shorter than it announced', sayAndClose(`${ok}Content-Length: 100\r\n\r\n{"data":`)],
    ['in chunks without the last', sayAndClose(`${ok}Transfer-Encoding: chunked\r\n\r\n8\r\n{"data":\r\n`)],
    ['in broken chunks', say(`${ok}Transfer-Encoding: chunked\r\n\r\n8\r\n{"data":\r\nzz\r\n`)],
  ];

  test.each<[string, Behaviour]>([
    ...brokenBodies,
    ['that falls silent', say(`${ok}Transfer-Encoding: chunked\r\n\r\n8\r\n{"data":\r\n`)],
  ])(
    'a body %s never looks whole over HTTP/1.0 either, where the end of the connection is its end (D.45)',
    async (_, behaviour) => {
      upstream.behave(behaviour);
      const request = get(READ, token).replace('HTTP/1.1', 'HTTP/1.0');
      const { socket } = await callFrom(gateway.port, request);
      expect(await once(socket, 'error')).toEqual([expect.objectContaining({ code: 'ECONNRESET' })]);
    },
  );

  test('an answer that an upload cut by the gateway leaves behind never looks whole over HTTP/1.0 (D.45)', async () => {
    // Ideogram answers before it has all, and then its caller sends nothing more.
    upstream.behave(say(`${ok}Transfer-Encoding: chunked\r\n\r\n8\r\n{"data":\r\n`));
    const upload = beginUpload('/v1/ideogram-v3/remix', token, 1_000_000).replace('HTTP/1.1', 'HTTP/1.0');
    const { socket } = await callFrom(gateway.port, upload + 'x'.repeat(200_000));
    expect(await once(socket, 'error')).toEqual([expect.objectContaining({ code: 'ECONNRESET' })]);
  });

  test.each(brokenBodies)(
    'a body %s never looks whole to the caller, and is on record as cut',
    async (_, behaviour) => {
      upstream.behave(behaviour);
      const response = await fetch(`${gateway.url}${GENERATE}`, generate(token));
      await expect(response.text()).rejects.toThrow(BROKEN_OFF);
      expect(await gateway.call(response)).toMatchObject({
        outcome: 'cut',
        result: 'failure',
        problem: 'upstream-ended-early',
      });
    },
  );

  test('an answer of another type passes as it is, and is marked in the record (D.45)', async () => {
    upstream.behave(say('HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n<br>'));
    const response = await fetch(`${gateway.url}${GENERATE}`, generate(token));
    expect(response.status).toBe(200);
    expect(await response.text()).toBe('<br>');
    expect(await gateway.call(response)).toMatchObject({
      outcome: 'completed',
      reason: 'answer-not-json',
      images: null,
    });
  });

  test('an answer that announces more than its bound is 502, and a failure on record (D.45)', async () => {
    upstream.behave(say(`${ok}Content-Length: 65537\r\n\r\n{`));
    const response = await fetch(`${gateway.url}${GENERATE}`, generate(token));
    expect(response.status).toBe(502);
    expect(await response.json()).toMatchObject({ code: 'upstream-invalid' });
    expect(await gateway.call(response)).toMatchObject({ outcome: 'failed', reason: 'answer-too-large' });
  });

  test('an answer that outgrows its bound never looks whole, and is a failure on record (D.45)', async () => {
    const chunk = `8000\r\n${'x'.repeat(0x8000)}\r\n`;
    upstream.behave(say(`${ok}Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(3)}0\r\n\r\n`));
    const response = await fetch(`${gateway.url}${GENERATE}`, generate(token));
    await expect(response.text()).rejects.toThrow(BROKEN_OFF);
    expect(await gateway.call(response)).toMatchObject({
      outcome: 'cut',
      result: 'failure',
      problem: 'upstream-invalid',
      reason: 'answer-too-large',
    });
  });

  test('a body that falls silent is cut, and the record says that it was too slow', async () => {
    upstream.behave(say(`${ok}Content-Length: 100\r\n\r\n{"data":`));
    const response = await fetch(`${gateway.url}${GENERATE}`, generate(token));
    await expect(response.text()).rejects.toThrow(BROKEN_OFF);
    expect(await gateway.call(response)).toMatchObject({ outcome: 'cut', problem: 'upstream-timeout' });
  });

  test('trap 12: a read answered 503 with Retry-After comes back as it is and is asked once (D.44)', async () => {
    upstream.behave(say('HTTP/1.1 503 Busy\r\nRetry-After: 2\r\nContent-Length: 4\r\n\r\nbusy'));
    const response = await fetch(`${gateway.url}${READ}`, { headers: { 'api-key': token } });
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('2');
    expect(await response.text()).toBe('busy');
    await gateway.call(response);
    expect(upstream.read().match(/GET /g)).toHaveLength(1);
  });

  test('trap 20: of the fields of an answer only listed ones come back (D.36, D.38)', async () => {
    const fields = [
      'Set-Cookie: fake=1',
      'Location: https://a.example/',
      'Connection: x-hop, keep-alive',
      'X-Hop: 1',
      'Keep-Alive: timeout=5',
      'Proxy-Authenticate: Basic',
      'WWW-Authenticate: Basic',
      'Server: fake/1.0',
      'Via: 1.1 fake',
      'X-Internal-Host: a.example',
      'X-Request-Id: fake-request',
      'Retry-After: 7',
    ];
    upstream.behave(say(`${ok}${fields.join('\r\n')}\r\nContent-Length: 2\r\n\r\n{}`));
    const caller = await callFrom(gateway.port, get(READ, token));
    const answer = await caller.closed;
    const head = answer.slice(0, answer.indexOf('\r\n\r\n')).split('\r\n').slice(1);
    const names = head.map((line) => line.slice(0, line.indexOf(':')).toLowerCase()).sort();
    expect(names).toEqual([
      'cache-control',
      'connection',
      'content-length',
      'content-type',
      'date',
      'ideogate-call-id',
      'retry-after',
      'x-request-id',
    ]);
    expect(head).toContain('Connection: close');
  });

  test('a field of any bytes comes back with the same bytes', async () => {
    upstream.behave(say(`${ok}X-Request-Id: \xe6\x97\xa5\r\nContent-Length: 2\r\n\r\n{}`));
    const response = await fetch(`${gateway.url}${GENERATE}`, generate(token));
    expect(response.status).toBe(200);
    expect(response.headers.get('x-request-id')).toBe('\xe6\x97\xa5');
  });

  test.each<[string, Behaviour, number, string]>([
    [
      'ends',
      sayAndClose(`${ok}Content-Length: 9\r\nContent-Encoding: gzip\r\n\r\n`),
      502,
      'upstream-ended-early',
    ],
    [
      'falls silent',
      say(`${ok}Content-Length: 9\r\nContent-Encoding: gzip\r\n\r\n`),
      504,
      'upstream-timeout',
    ],
  ])(
    'an answer that %s after its head is a problem, with none of its fields',
    async (_, behaviour, status, code) => {
      upstream.behave(behaviour);
      const response = await fetch(`${gateway.url}${GENERATE}`, generate(token));
      expect(response.status).toBe(status);
      expect(response.headers.get('content-encoding')).toBeNull();
      expect(await response.json()).toMatchObject({ code });
      expect(await gateway.call(response)).toMatchObject({ outcome: 'cut', problem: code, status });
    },
  );

  test('trap 3: a refused connection is 502 without an address, and nothing was bought (B.25, B.26)', async () => {
    await upstream.refuse();
    const response = await fetch(`${gateway.url}${GENERATE}`, generate(token));
    const text = await response.text();
    expect(response.status).toBe(502);
    expect(JSON.parse(text)).toMatchObject({ code: 'upstream-unreachable' });
    expect(text).not.toMatch(/ECONN|127\.0\.0\.1:(?!\d+\/-\/)/);
    expect(text).not.toContain(String(upstream.port));
    expect(await gateway.call(response)).toMatchObject({
      outcome: 'failed',
      problem: 'upstream-unreachable',
      reason: 'econnrefused',
      costUsdMicros: 0,
    });
  });
});

describe('trap 11: an upstream that is not who it should be never sees the key (D.42)', () => {
  const bundled = getCACertificates('default');
  let gateway: TestGateway;
  let upstream: RawUpstream;
  let token: string;

  beforeAll(async () => {
    upstream = await startRawUpstream(selfSigned('127.0.0.1', ['20', '49']));
    gateway = await startTestGateway({ settings: FAST, upstream: `https://127.0.0.1:${upstream.port}` });
    token = await gateway.token('full');
  });
  afterEach(() => {
    setDefaultCACertificates(bundled);
    delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
  });
  afterAll(async () => {
    await upstream?.refuse();
    await gateway?.close();
  });

  test.each([
    ['a self-signed certificate', '127.0.0.1', ['20', '49'], false, 'depth-zero-self-signed-cert'],
    ['an expired certificate', '127.0.0.1', ['20', '21'], true, 'cert-has-expired'],
    ['a certificate of the future', '127.0.0.1', ['48', '49'], true, 'cert-not-yet-valid'],
    ['a certificate for another name', 'other.test', ['20', '49'], true, 'err-tls-cert-altname-invalid'],
  ] as const)('%s', async (_, name, years, trusted, reason) => {
    const certificate = selfSigned(name, years);
    upstream.certify(certificate);
    upstream.behave(say('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}'));
    if (trusted) setDefaultCACertificates([...bundled, certificate.cert]);
    // Not even this makes an unverified upstream good enough.
    else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    const response = await fetch(`${gateway.url}${GENERATE}`, generate(token));
    expect(response.status).toBe(502);
    expect(await response.json()).toMatchObject({ code: 'upstream-unreachable' });
    expect(await gateway.call(response)).toMatchObject({ problem: 'upstream-unreachable', reason });
    expect(upstream.bytes()).toBe(0);
  });

  test('one with a certificate that is trusted, in time and for its name is asked, with the key', async () => {
    const certificate = selfSigned('127.0.0.1', ['20', '49']);
    upstream.certify(certificate);
    upstream.behave(say('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}'));
    setDefaultCACertificates([...bundled, certificate.cert]);
    const response = await fetch(`${gateway.url}${GENERATE}`, generate(token));
    expect(response.status).toBe(200);
    expect(upstream.read()).toContain(FAKE_KEYS.write);
  });
});
