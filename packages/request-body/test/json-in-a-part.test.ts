import { describe, expect, it } from 'vitest';
import { openBody } from '../src/index.ts';
import { BOUNDARY, bytes, isReader, multipart, OPTIONS, verdict } from './bodies.ts';
import { generate } from './sample-operations.ts';

describe('JSON in a part is read as it comes', () => {
  const OPENING = `--${BOUNDARY}\r\nContent-Disposition: form-data; name="color_palette"\r\n\r\n`;
  const inPart = (json: string) => bytes(`${OPENING}${json}\r\n--${BOUNDARY}--\r\n`);

  it.each([
    ['a megabyte of empty objects', `{"members":[${'{},'.repeat(340_000)}`, 'json-too-many-values'],
    ['many levels', `{"members":${'['.repeat(100)}`, 'json-too-deep'],
    ['a name in another place', `{"members":[{"webhook_url":null},`, 'webhook-url'],
    ['a name twice', `{"a":1,"a":`, 'json-malformed'],
  ])('%s is refused before the part has ended, and the same however it is cut (H.63)', (_, json, reason) => {
    for (const size of [1000, 16_384]) {
      const reader = openBody(
        generate,
        'full',
        `multipart/form-data; boundary=${BOUNDARY}`,
        undefined,
        OPTIONS,
      );
      if (!isReader(reader)) throw new Error('no reader');
      const body = bytes(`${OPENING}${json}${' '.repeat(2000)}`);
      let found = null;
      for (let at = 0; found === null && at < body.length; at += size)
        found = reader.push(body.subarray(at, at + size));
      expect(found).toMatchObject({ reason });
    }
  });

  it.each([1, 2, 7, 64, 4096])('in pieces of %i bytes, up to the delimiter', (size) => {
    const watch = ['color_palette'];
    const opened = openBody(generate, 'limited', `multipart/form-data; boundary=${BOUNDARY}`, undefined, {
      ...OPTIONS,
      watch,
    });
    if (!isReader(opened)) throw new Error('no reader');
    const speed = `--${BOUNDARY}\r\nContent-Disposition: form-data; name="rendering_speed"\r\n\r\nTURBO\r\n`;
    const body = bytes(`${speed}${new TextDecoder('latin1').decode(inPart('{"name":"EMBER--"}'))}`);
    for (let at = 0; at < body.length; at += size)
      expect(opened.push(body.subarray(at, at + size))).toBeNull();
    expect(opened.end()).toBeNull();
    expect(opened.fields().get('color_palette')).toBe(true);
  });

  it.each([
    ['JSON of which a member is named so', '{"a":{"webhook-url":1}}', 'webhook-url'],
    ['no JSON, but like it', "{'webhook_url': 'x'}", 'webhook-url'],
    ['like it after escapes', '{\\u0077ebhook_url: x', 'webhook-url'],
    ['JSON whose value speaks of it', '{"note":"webhook_url"}', null],
    ['text that speaks of it', 'webhook_url', null],
  ])('a field nobody declared is searched: %s', (_, content, reason) => {
    for (const size of [1, 5, 1000]) {
      const body = multipart([{ name: 'nobody', content: `\n ${content}` }]);
      expect(verdict(generate, 'full', body, { size })?.reason ?? null).toBe(reason);
    }
  });
});
