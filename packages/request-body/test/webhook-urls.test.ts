import { describe, expect, it } from 'vitest';
import type { Operation } from '@ideogate/contract';
import { checkQuery, openBody } from '../src/index.ts';
import { BOUNDARY, bytes, isReader, multipart, OPTIONS, type Part } from './bodies.ts';
import { generate, quoted } from './sample-operations.ts';

const OWN = 'https://gateway.example/-/webhooks/images';
const OTHER = 'https://gateway.example/-/webhooks/videos';
const URLS = new Set([OWN, OTHER]);
const WEBHOOK = { name: 'webhook_url', type: 'string' } as const;
/** As a v1 operation has it, and as a v2 one that takes forms. */
const inQuery: Operation = { ...generate, query: [WEBHOOK, { name: 'tag', type: 'string' }] };
const inForm: Operation = { ...generate, fields: [...(generate.fields ?? []), WEBHOOK] };

/** Spellings of an endpoint of ours that are not it. */
const NOT_OURS: readonly (readonly [what: string, url: string])[] = [
  ['another host', 'https://evil.example/-/webhooks/images'],
  ['another name', 'https://gateway.example/-/webhooks/none'],
  ['a longer name', `${OWN}2`],
  ['a shorter name', OWN.slice(0, -1)],
  ['a query', `${OWN}?to=https://evil.example`],
  ['an empty query', `${OWN}?`],
  ['a fragment', `${OWN}#x`],
  ['a user', 'https://gateway.example@evil.example/-/webhooks/images'],
  ['a user before our own host', 'https://a:b@gateway.example/-/webhooks/images'],
  ['other letters in the host', 'https://GATEWAY.example/-/webhooks/images'],
  ['other letters in the name', 'https://gateway.example/-/webhooks/Images'],
  ['other letters in the scheme', 'HTTPS://gateway.example/-/webhooks/images'],
  ['plain http', 'http://gateway.example/-/webhooks/images'],
  ['the port spelled out', 'https://gateway.example:443/-/webhooks/images'],
  ['a dot after the host', 'https://gateway.example./-/webhooks/images'],
  ['a slash at the end', `${OWN}/`],
  ['two slashes', 'https://gateway.example//-/webhooks/images'],
  ['a dot segment', 'https://gateway.example/x/../-/webhooks/images'],
  ['an escape', 'https://gateway.example/-/webhooks/im%61ges'],
  ['a space before', ` ${OWN}`],
  ['a line break after', `${OWN}\n`],
  ['a tab inside', OWN.replace('images', 'ima\tges')],
  ['a NUL after', `${OWN}\0`],
  ['a backslash', `${OWN}\\@evil.example`],
  ['full-width letters', OWN.replace('images', 'ｉmages')],
  ['two of them', `${OWN},${OTHER}`],
  ['nothing', ''],
];

describe('in a query', () => {
  const found = (query: string, level: 'full' | 'limited' = 'full', operation = inQuery) =>
    checkQuery(operation, level, query, URLS)?.reason ?? null;

  it.each([
    `webhook_url=${OWN}`,
    `webhook_url=${encodeURIComponent(OWN)}`,
    `tag=a&webhook_url=${encodeURIComponent(OTHER)}`,
    new URLSearchParams({ webhook_url: OWN, tag: 'a b' }).toString(),
  ])('webhook_url may name an endpoint of the gateway: %s', (query) => {
    expect(found(query)).toBeNull();
    expect(found(query, 'limited')).toBeNull();
  });
  it.each(NOT_OURS)('but nothing that only looks like one, as with %s', (_, url) => {
    expect(found(`webhook_url=${encodeURIComponent(url)}`)).toBe('webhook-url');
  });
  it.each([
    ['twice', `webhook_url=${OWN}&webhook_url=${OWN}`],
    ['and again elsewhere', `webhook_url=${OWN}&webhook_url=https://evil.example`],
    ['and again in another spelling', `webhook_url=${OWN}&webhook%5Furl=https://evil.example`],
    ['in another spelling alone', `webhook%5Furl=${OWN}`],
    ['in other letters', `WEBHOOK_URL=${OWN}`],
    ['in a list', `webhook_url[]=${OWN}`],
    ['escaped twice', `webhook_url=${encodeURIComponent(encodeURIComponent(OWN))}`],
    ['with a semicolon after, which not every reader splits at', `webhook_url=${OWN};tag=a`],
    ['with a semicolon before', `tag=a;webhook_url=${OWN}`],
    ['without a value', 'webhook_url'],
  ])('%s it is refused', (_, query) => {
    expect(found(query)).toBe('webhook-url');
  });
  it('where the operation declares it in its body, or nowhere, it is refused in the query', () => {
    expect(found(`webhook_url=${OWN}`, 'full', quoted)).toBe('webhook-url');
    expect(found(`webhook_url=${OWN}`, 'full', generate)).toBe('webhook-url');
  });
  it('the refusal names what may be sent', () => {
    expect(checkQuery(inQuery, 'full', 'webhook_url=x', URLS)?.bound).toContain(OWN);
    expect(checkQuery(inQuery, 'full', 'webhook_url=x')?.bound).toBe('never');
  });
});

function found(operation: Operation, type: string, body: Uint8Array): string | null {
  const reader = openBody(operation, 'full', type, undefined, { ...OPTIONS, webhookUrls: URLS });
  if (!isReader(reader)) return reader.reason;
  for (let at = 0; at < body.length; at += 7) {
    const fault = reader.push(body.subarray(at, at + 7));
    if (fault !== null) return fault.reason;
  }
  return reader.end()?.reason ?? null;
}

describe('in JSON', () => {
  const json = (body: unknown, operation = quoted) =>
    found(
      operation,
      'application/json',
      new TextEncoder().encode(typeof body === 'string' ? body : JSON.stringify(body)),
    );

  it('webhook_url may name an endpoint of the gateway', () => {
    expect(json({ prompt: 'a', webhook_url: OWN })).toBeNull();
    expect(json({ prompt: 'a', webhook_url: OTHER })).toBeNull();
  });
  it.each(NOT_OURS)('but nothing that only looks like one, as with %s', (_, url) => {
    expect(json({ prompt: 'a', webhook_url: url })).toBe('webhook-url');
  });
  it.each<[string, unknown]>([
    ['false', { webhook_url: false }],
    ['null in another spelling', { webhook_url: OWN, webhookUrl: null }],
    ['a list', { webhook_url: [OWN] }],
    ['deeper than the body itself', { image_request: { webhook_url: OWN } }],
    ['beside another spelling', { webhook_url: OWN, webhookUrl: OWN }],
    [
      'beside one that is deeper',
      { webhook_url: OWN, image_request: { webhook_url: 'https://evil.example' } },
    ],
    ['in another spelling', { webhookUrl: OWN }],
    ['in a list of bodies', [{ webhook_url: OWN }]],
  ])('as %s it is refused', (_, body) => {
    expect(json(body)).toBe('webhook-url');
  });
  it('twice is no JSON of one meaning', () => {
    expect(json(`{"webhook_url":"${OWN}","webhook_url":"https://evil.example"}`)).toBe('json-malformed');
  });
  it('where the operation does not declare it, it is refused', () => {
    expect(json({ webhook_url: OWN }, generate)).toBe('webhook-url');
  });
});

describe('in a form', () => {
  const PROMPT: Part = { name: 'prompt', content: 'a cat' };
  const TURBO: Part = { name: 'rendering_speed', content: 'TURBO' };
  const form = (parts: readonly Part[], operation = inForm) =>
    found(
      operation,
      `multipart/form-data; boundary=${BOUNDARY}`,
      bytes(multipart([PROMPT, ...parts, TURBO])),
    );
  const hook = (content: string): Part => ({ name: 'webhook_url', content });

  it('webhook_url may name an endpoint of the gateway', () => {
    expect(form([hook(OWN)])).toBeNull();
    expect(form([{ ...hook(OTHER), type: 'text/plain' }])).toBeNull();
  });
  it.each(NOT_OURS)('but nothing that only looks like one, as with %s', (_, url) => {
    const utf8 = String.fromCharCode(...new TextEncoder().encode(url));
    expect(form([hook(utf8)])).toBe('webhook-url');
  });
  it.each<[string, readonly Part[]]>([
    ['twice', [hook(OWN), hook(OWN)]],
    ['as a file', [{ ...hook(OWN), filename: 'a' }]],
    ['as a file without a name', [{ ...hook(OWN), filename: '' }]],
    ['in a list', [{ ...hook(OWN), name: 'webhook_url[]' }]],
    ['in other letters', [{ ...hook(OWN), name: 'Webhook_Url' }]],
    ['in another charset', [{ ...hook(OWN), type: 'text/plain; charset=utf-16' }]],
    ['as JSON', [{ ...hook(`"${OWN}"`), type: 'application/json' }]],
    ['encoded', [{ ...hook(OWN), headers: ['Content-Transfer-Encoding: base64'] }]],
    ['with a field nobody knows', [{ ...hook(OWN), headers: ['X-Other: 1'] }]],
    ['very long', [hook(`${OWN}${'x'.repeat(100_000)}`)]],
  ])('%s it is refused', (_, parts) => {
    expect(form(parts)).toBe('webhook-url');
  });
  it('where the operation does not declare it, it is refused', () => {
    expect(form([hook(OWN)], generate)).toBe('webhook-url');
  });
});
