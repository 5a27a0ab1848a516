import { createHash, createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  parseWebhookSecret,
  readWebhookHead,
  signWebhook,
  verifyWebhook,
  type WebhookKeys,
  type WebhookSecret,
} from '../src/index.ts';

const NOW = 1_800_000_000_000;
const SECONDS = NOW / 1000;
const BODY = Buffer.from('{"generation_id":"g1","data":[]}');

interface Sent {
  readonly headers: Record<string, string>;
  readonly body: Buffer;
}

/** One scheme: who signs, with `good` or `other`; what is known there; and how a message of so many seconds ago looks. */
interface Scheme {
  readonly name: string;
  keys(...known: ('good' | 'other')[]): WebhookKeys;
  send(signer: 'good' | 'other', ageSeconds?: number): Sent;
  /** The header field that holds the signature. */
  readonly field: string;
}

const pairs = { good: generateKeyPairSync('ed25519'), other: generateKeyPairSync('ed25519') };
const texts = { good: 'fake-secret-for-tests-good', other: 'fake-secret-for-tests-other' };
const whsec = {
  good: `whsec_${Buffer.alloc(32, 'good').toString('base64')}`,
  other: `whsec_${Buffer.alloc(32, 'other').toString('base64')}`,
};

function secret(scheme: 'hmac-sha256' | 'standard', text: string): WebhookSecret {
  const parsed = parseWebhookSecret(scheme, text);
  if (parsed === null) throw new Error('not a secret');
  return parsed;
}

const ideogram: Scheme = {
  name: 'ideogram',
  field: 'x-ideogram-webhook-signature',
  keys: (...known) => ({
    scheme: 'ideogram',
    keys: new Map(known.map((name) => [name, pairs[name].publicKey])),
    users: new Set(['u1']),
  }),
  send(signer, age = 0) {
    const timestamp = String(SECONDS - age);
    const digest = createHash('sha256').update(BODY).digest('hex');
    const message = `g1\nu1\n${timestamp}\n${digest}`;
    return {
      headers: {
        'x-ideogram-webhook-generation-id': 'g1',
        'x-ideogram-webhook-user-id': 'u1',
        'x-ideogram-webhook-timestamp': timestamp,
        'x-ideogram-webhook-key-id': signer,
        'x-ideogram-webhook-signature': sign(null, Buffer.from(message), pairs[signer].privateKey).toString(
          'hex',
        ),
      },
      body: BODY,
    };
  },
};

const hmac: Scheme = {
  name: 'hmac-sha256',
  field: 'x-ideogram-signature',
  keys: (...known) => ({
    scheme: 'hmac-sha256',
    secrets: known.map((name) => secret('hmac-sha256', texts[name])),
  }),
  send: (signer) => ({
    headers: { 'x-ideogram-signature': createHmac('sha256', texts[signer]).update(BODY).digest('hex') },
    body: BODY,
  }),
};

const standard: Scheme = {
  name: 'standard',
  field: 'webhook-signature',
  keys: (...known) => ({
    scheme: 'standard',
    secrets: known.map((name) => secret('standard', whsec[name])),
  }),
  send: (signer, age = 0) => ({
    headers: {
      ...signWebhook({
        id: 'e1',
        timestamp: SECONDS - age,
        body: BODY,
        secrets: [secret('standard', whsec[signer])],
      }),
    },
    body: BODY,
  }),
};

function with_(sent: Sent, field: string, value: string): Sent {
  return { ...sent, headers: { ...sent.headers, [field]: value } };
}

describe.each([ideogram, hmac, standard])('$name', (scheme) => {
  const verdict = (sent: Sent, keys = scheme.keys('good')) => {
    const result = verifyWebhook(keys, sent, NOW);
    return result.ok ? 'good' : result.reason;
  };
  const good = scheme.send('good');
  const signed = good.headers[scheme.field] ?? '';

  test('a webhook of who knows the secret is good, and names its event (G.61)', () => {
    expect(verifyWebhook(scheme.keys('good'), good, NOW)).toEqual({
      ok: true,
      id: { ideogram: 'g1', 'hmac-sha256': createHash('sha256').update(BODY).digest('hex'), standard: 'e1' }[
        scheme.name
      ],
      timestamp: scheme === hmac ? null : SECONDS,
    });
  });
  test('while secrets are changed, either of two is good', () => {
    expect(verdict(scheme.send('good'), scheme.keys('other', 'good'))).toBe('good');
    expect(verdict(scheme.send('other'), scheme.keys('other', 'good'))).toBe('good');
  });
  test('one that another key signed is not', () => {
    expect(verdict(scheme.send('other'))).toBe(scheme === ideogram ? 'unknown-key' : 'signature');
    expect(verdict(with_(scheme.send('other'), 'x-ideogram-webhook-key-id', 'good'))).toBe('signature');
  });
  test('with no key at all nothing is', () => {
    expect(verdict(good, scheme.keys())).not.toBe('good');
  });
  test.each([0, 1, 2, 30])('nor one whose body was changed, here in byte %i', (at) => {
    const body = Buffer.from(BODY);
    body[at] = (body[at] ?? 0) ^ 1;
    expect(verdict({ ...good, body })).toBe('signature');
  });
  test.each([
    ['one short', (text: string) => text.slice(0, -1)],
    ['one long', (text: string) => `${text}0`],
    ['half', (text: string) => text.slice(0, text.length / 2)],
    ['twice', (text: string) => text + text],
    ['of other letters', (text: string) => text.replace(/.$/, 'ä')],
    ['in capitals', (text: string) => text.toUpperCase()],
    ['with a space before', (text: string) => ` ${text}`],
  ])('a signature of the wrong length or spelling, %s, is just not good: nothing throws', (_, change) => {
    const changed = verdict(with_(good, scheme.field, change(signed)));
    if (scheme === standard && change(signed) === ` ${signed}`) expect(changed).toBe('good');
    else expect(['signature', 'header-malformed']).toContain(changed);
  });
  test('a missing, empty or repeated field is not', () => {
    for (const field of Object.keys(good.headers)) {
      const { [field]: value = '', ...rest } = good.headers;
      expect(verdict({ ...good, headers: rest })).toBe('header-missing');
      expect(verdict(with_(good, field, ''))).toBe('header-missing');
      const twice = verifyWebhook(
        scheme.keys('good'),
        { ...good, headers: { ...rest, [field]: [value, value] } },
        NOW,
      );
      expect(twice).toMatchObject({ ok: false });
    }
  });
});

describe.each([ideogram, standard])('$name, which signs its time', (scheme) => {
  test.each([
    [0, 'good'],
    [300, 'good'],
    [-300, 'good'],
    [301, 'too-old'],
    [86_400, 'too-old'],
    [-301, 'too-new'],
  ])('a webhook of %i seconds ago is %s (G.61)', (age, expected) => {
    const result = verifyWebhook(scheme.keys('good'), scheme.send('good', age), NOW);
    expect(result.ok ? 'good' : result.reason).toBe(expected);
  });
  test.each(['1.8e9', '0x6b49d200', '', ' 1', '+1', '-1', 'now', '9'.repeat(13)])(
    'a time of %j is none',
    (time) => {
      const field = scheme === ideogram ? 'x-ideogram-webhook-timestamp' : 'webhook-timestamp';
      expect(verifyWebhook(scheme.keys('good'), with_(scheme.send('good'), field, time), NOW)).toMatchObject({
        ok: false,
      });
    },
  );
  test('another time than the signed one is refused, though it is fresh', () => {
    const field = scheme === ideogram ? 'x-ideogram-webhook-timestamp' : 'webhook-timestamp';
    const sent = with_(scheme.send('good'), field, String(SECONDS - 1));
    expect(verifyWebhook(scheme.keys('good'), sent, NOW)).toEqual({ ok: false, reason: 'signature' });
  });
});

test.each([ideogram, hmac, standard])(
  'the head of $name alone shows what is no webhook, whatever its body',
  (scheme) => {
    const head = (headers: Sent['headers'], keys = scheme.keys('good')) => {
      const read = readWebhookHead(keys, headers, NOW);
      return typeof read === 'string' ? read : 'go on';
    };
    const { headers } = scheme.send('good');
    expect(head(headers)).toBe('go on');
    expect(head({})).toBe('header-missing');
    expect(head({ ...headers, [scheme.field]: 'x' })).toBe('signature');
    expect(head(scheme.send('good', 301).headers)).toBe(scheme === hmac ? 'go on' : 'too-old');
    expect(head(scheme.send('other').headers)).toBe(scheme === ideogram ? 'unknown-key' : 'go on');
  },
);

test('what Ideogram signed for another of its customers is not for us', () => {
  const keys = ideogram.keys('good');
  if (keys.scheme !== 'ideogram') throw new Error('not the scheme of Ideogram');
  const theirs = { ...keys, users: new Set(['u2']) };
  expect(verifyWebhook(theirs, ideogram.send('good'), NOW)).toEqual({ ok: false, reason: 'unknown-user' });
});

test('hmac-sha256 signs no time, so an old one is good the first time: that it is not good again is for the store', () => {
  expect(verifyWebhook(hmac.keys('good'), hmac.send('good', 86_400), NOW)).toMatchObject({ ok: true });
});

describe('standard', () => {
  test('the vector of the specification is good', () => {
    // standardwebhooks.com, the reference libraries' own test vector.
    const keys: WebhookKeys = {
      scheme: 'standard',
      secrets: [secret('standard', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')],
    };
    const headers = {
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    };
    const body = Buffer.from('{"test": 2432232314}');
    expect(verifyWebhook(keys, { headers, body }, 1_614_265_330_000)).toMatchObject({ ok: true });
  });
  test('one good signature among those of other versions and secrets is enough', () => {
    const sent = standard.send('good');
    const list = `v1a,AAAA v2,BBBB ${standard.send('other').headers['webhook-signature']} ${sent.headers['webhook-signature']}`;
    expect(verifyWebhook(standard.keys('good'), with_(sent, 'webhook-signature', list), NOW)).toMatchObject({
      ok: true,
    });
  });
  test.each(['e1.1', '.', 'a.', '.a', 'msg.2026'])(
    'an id with a full stop (%s) is refused, genuine or not: it would move the border between id and time (G.61)',
    (id) => {
      const secrets = [secret('standard', whsec.good)];
      const headers = signWebhook({ id, timestamp: SECONDS, body: BODY, secrets });
      const verdict = verifyWebhook(standard.keys('good'), { headers, body: BODY }, NOW);
      expect(verdict).toEqual({ ok: false, reason: 'id-ambiguous' });
    },
  );
  test('with two secrets each signs, so that the receiver may know either', () => {
    const secrets = [secret('standard', whsec.other), secret('standard', whsec.good)];
    const headers = signWebhook({ id: 'e1', timestamp: SECONDS, body: BODY, secrets });
    for (const name of ['good', 'other'] as const)
      expect(verifyWebhook(standard.keys(name), { headers, body: BODY }, NOW)).toMatchObject({ ok: true });
  });
});

describe('a secret', () => {
  test.each([
    ['standard', whsec.good, true],
    ['standard', `whsec_${Buffer.alloc(23).toString('base64')}`, false],
    ['standard', `whsec_${Buffer.alloc(65).toString('base64')}`, false],
    ['standard', whsec.good.slice(6), false],
    ['standard', 'whsec_not base64', false],
    ['hmac-sha256', texts.good, true],
    ['hmac-sha256', 'too-short', false],
    ['hmac-sha256', `${texts.good}\n`, false],
  ] as const)('of %s, %j: %s', (scheme, text, ok) => {
    expect(parseWebhookSecret(scheme, text) !== null).toBe(ok);
  });
  test('shows nothing of itself when printed', () => {
    const printed = JSON.stringify([standard.keys('good'), hmac.keys('good')]);
    expect(printed).not.toContain('fake-secret');
    expect(printed).not.toContain(whsec.good.slice(6, 20));
  });
});
