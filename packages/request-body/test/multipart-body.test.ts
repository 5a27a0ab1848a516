import { describe, expect, it } from 'vitest';
import { openBody } from '../src/index.ts';
import { BOUNDARY, bytes, isReader, multipart, OPTIONS, type Part, verdict } from './bodies.ts';
import { generate, train, upscale } from './sample-operations.ts';

const PROMPT: Part = { name: 'prompt', content: 'a cat' };
const ONE: Part = { name: 'num_images', content: '1' };
const TURBO: Part = { name: 'rendering_speed', content: 'TURBO' };
const FINE = [PROMPT, ONE, TURBO];
const PNG = '\u0089PNG\r\n\u001a\n\u0000--\r\n--\r\n-----\r\r\n';
const STYLE: Part = { name: 'style_reference_images', filename: 'a.png', type: 'image/png', content: PNG };
const IMAGE: Part = { name: 'image_file', filename: 'a.png', type: 'image/png', content: PNG };

const limited = (parts: readonly Part[], operation = generate) =>
  verdict(operation, 'limited', multipart(parts));
const full = (parts: readonly Part[], operation = generate) => verdict(operation, 'full', multipart(parts));

describe('a multipart body that a real client sends passes when it is within its bounds', () => {
  it.each<[string, readonly Part[]]>([
    ['one image, TURBO', FINE],
    ['number of images left out', [PROMPT, TURBO]],
    ['files before text', [STYLE, ...FINE]],
    ['a file called blob', [{ ...STYLE, filename: 'blob', type: 'application/octet-stream' }, ...FINE]],
    ['a file without a type', [{ name: 'style_reference_images', filename: 'a.png', content: PNG }, ...FINE]],
    ['two files of one list', [STYLE, STYLE, ...FINE]],
    [
      'two entries of one list',
      [{ name: 'style_codes', content: 'AAAAAAAA' }, { name: 'style_codes', content: 'BBBBBBBB' }, ...FINE],
    ],
    ['text parts that say text/plain', FINE.map((part) => ({ ...part, type: 'text/plain' }))],
    [
      'JSON in a part that says so',
      [{ name: 'color_palette', type: 'application/json', content: '{"name":"EMBER"}' }, ...FINE],
    ],
    [
      'JSON in a part that does not say so',
      [{ name: 'color_palette', content: '{"name":"EMBER"}' }, ...FINE],
    ],
    [
      'parts that say how long they are',
      FINE.map((part) => ({ ...part, headers: [`Content-Length: ${part.content?.length ?? 0}`] })),
    ],
    ['an empty file', [{ ...STYLE, content: '' }, ...FINE]],
    [
      'a prompt that speaks of num_images and webhook_url',
      [{ name: 'prompt', content: '{"num_images": 8, "webhook_url": "x"}' }, TURBO],
    ],
  ])('%s', (_, parts) => {
    expect(limited(parts)).toBeNull();
    expect(full(parts)).toBeNull();
  });

  it.each([
    ['dashes and hex', '--------------------------0123456789abcdef01234567'],
    ['bare hex', '0123456789abcdef0123456789abcdef'],
    ['one dash', '-'],
    ['a boundary that repeats itself', '--a--a--a'],
    ['every sign that needs no quotes', '0aZ+._-'],
    ['JavaMail', '----=_Part_0_1234567890.1700000000000'],
    ["Python's email", '===============7330845974216740156=='],
  ])('a boundary of %s', (_, boundary) => {
    const body = multipart(
      [STYLE, ...FINE].map((part) => ({ ...part, content: part.content?.replaceAll('--', '') ?? '' })),
      boundary,
    );
    for (const size of [1, 2, 3, 7, body.length]) {
      expect(
        verdict(generate, 'limited', body, { type: `multipart/form-data; boundary="${boundary}"`, size }),
      ).toBeNull();
    }
  });

  it('from FormData of the platform', async () => {
    const form = new FormData();
    form.append('style_reference_images', new Blob([Uint8Array.from(bytes(PNG))]), 'ünïcode "q".png');
    form.append('prompt', 'zwei Kätzchen\n猫');
    form.append('rendering_speed', 'FLASH');
    const request = new Request('http://127.0.0.1/', { method: 'POST', body: form });
    const body = new Uint8Array(await request.arrayBuffer());
    expect(
      verdict(generate, 'limited', body, { type: request.headers.get('content-type') ?? '' }),
    ).toBeNull();
  });

  it('with JSON in a part: one image', () => {
    const request = (content: string): Part => ({ name: 'image_request', content });
    expect(limited([IMAGE, request('{"prompt":"a","num_images":1}')], upscale)).toBeNull();
    expect(limited([request('{"prompt":"a"}'), IMAGE], upscale)).toBeNull();
    expect(limited([request('{"num_images":null}'), IMAGE], upscale)).toBeNull();
    expect(limited([IMAGE], upscale)).toBeNull();
  });

  it.each([
    ['without a CRLF after its last delimiter', multipart(FINE).slice(0, -2)],
    ['with two of them', `${multipart(FINE)}\r\n`],
    ['with one before the first delimiter', `\r\n${multipart(FINE)}`],
  ])('%s', (_, body) => {
    for (const size of [1, 3, 1_000_000]) {
      expect(verdict(generate, 'limited', body, { size })).toBeNull();
      expect(verdict(generate, 'full', body, { size })).toBeNull();
    }
  });
});

describe('a multipart body past its bounds is refused under write:limited', () => {
  const request = (content: string): Part => ({ name: 'image_request', content });
  it.each<[string, readonly Part[], string, string | null]>([
    ['a second image', [PROMPT, TURBO, { name: 'num_images', content: '2' }], 'over-bound', 'num_images'],
    ['zero images', [PROMPT, TURBO, { name: 'num_images', content: '0' }], 'over-bound', 'num_images'],
    ['01', [PROMPT, TURBO, { name: 'num_images', content: '01' }], 'number-form', 'num_images'],
    ['1.0', [PROMPT, TURBO, { name: 'num_images', content: '1.0' }], 'number-form', 'num_images'],
    [
      'a space before the number',
      [PROMPT, TURBO, { name: 'num_images', content: ' 1' }],
      'number-form',
      'num_images',
    ],
    [
      'a line end after the number',
      [PROMPT, TURBO, { name: 'num_images', content: '1\n' }],
      'number-form',
      'num_images',
    ],
    ['an empty number', [PROMPT, TURBO, { name: 'num_images', content: '' }], 'number-form', 'num_images'],
    [
      'a full-width number',
      [PROMPT, TURBO, { name: 'num_images', content: '\u00ef\u00bc\u0091' }],
      'number-form',
      'num_images',
    ],
    ['a seed in another spelling', [...FINE, { name: 'seed', content: '1e3' }], 'number-form', 'seed'],
    ['QUALITY', [PROMPT, { name: 'rendering_speed', content: 'QUALITY' }], 'over-bound', 'rendering_speed'],
    ['no speed', [PROMPT, ONE], 'must-be-sent', 'rendering_speed'],
    ['an unknown field', [...FINE, { name: 'num_image', content: '8' }], 'unknown-field', 'num_image'],
    [
      'a forbidden file',
      [...FINE, { ...STYLE, name: 'character_reference_images' }],
      'forbidden-field',
      'character_reference_images',
    ],
    ['a bounded field as a file', [PROMPT, TURBO, { ...ONE, filename: 'n' }], 'text-as-file', 'num_images'],
    ['a text field as a file', [TURBO, { ...PROMPT, filename: 'p.txt' }], 'text-as-file', 'prompt'],
    [
      'a file field as text',
      [...FINE, { name: 'style_reference_images', content: 'x' }],
      'file-as-text',
      'style_reference_images',
    ],
    [
      'a text field of more than 64 KiB',
      [TURBO, { name: 'prompt', content: 'x'.repeat(65_537) }],
      'field-too-long',
      'prompt',
    ],
  ])('%s', (_, parts, reason, field) => {
    for (const size of [1, 5, 4096, 1_000_000]) {
      expect(verdict(generate, 'limited', multipart(parts), { size })).toMatchObject({
        problem: 'bound-exceeded',
        reason,
        field,
      });
    }
    expect(full(parts)).toBeNull();
  });

  it.each<[string, readonly Part[], string, string | null]>([
    [
      'two images in JSON in a part',
      [IMAGE, request('{"num_images":2}')],
      'over-bound',
      'image_request.num_images',
    ],
    [
      '1.0 in JSON in a part',
      [IMAGE, request('{"num_images":1.0}')],
      'number-form',
      'image_request.num_images',
    ],
    [
      'text for a number in JSON in a part',
      [IMAGE, request('{"num_images":"1"}')],
      'wrong-type',
      'image_request.num_images',
    ],
    ['an unknown member in JSON in a part', [IMAGE, request('{"n":8}')], 'unknown-field', 'image_request.n'],
    ['a list where an object belongs', [IMAGE, request('[{"num_images":8}]')], 'wrong-type', 'image_request'],
    [
      'JSON in a part sent as a file',
      [IMAGE, { ...request('{"num_images":1}'), filename: 'blob', type: 'application/json' }],
      'text-as-file',
      'image_request',
    ],
  ])('%s', (_, parts, reason, field) => {
    expect(limited(parts, upscale)).toMatchObject({ problem: 'bound-exceeded', reason, field });
    expect(full(parts, upscale)).toBeNull();
  });

  it('in the push that brings the end of the field, before the body ends', () => {
    const parts = [STYLE, { name: 'num_images', content: '2' }, PROMPT, TURBO];
    const body = multipart(parts);
    const reader = openBody(
      generate,
      'limited',
      `multipart/form-data; boundary=${BOUNDARY}`,
      undefined,
      OPTIONS,
    );
    if (!isReader(reader)) throw new Error('no reader');
    const fieldEnd = body.indexOf(`\r\n\r\n2\r\n--${BOUNDARY}`) + 7 + `--${BOUNDARY}`.length;
    expect(reader.push(bytes(body.slice(0, fieldEnd - 1)))).toBeNull();
    const found = reader.push(bytes(body.slice(fieldEnd - 1, fieldEnd)));
    expect(found).toMatchObject({
      reason: 'over-bound',
      field: 'num_images',
      bound: 'at most 1',
      value: '2',
    });
    expect(reader.push(bytes(body.slice(fieldEnd)))).toBe(found);
    expect(reader.end()).toBe(found);
  });

  it.each<[string, readonly Part[], string, Parameters<typeof limited>[1]]>([
    ['a single field', [...FINE, ONE], 'num_images', generate],
    ['a prompt', [...FINE, PROMPT], 'prompt', generate],
    ['a file', [IMAGE, IMAGE, request('{}')], 'image_file', upscale],
  ])(
    '%s sent twice is refused for every caller: readers keep the first, the last or both',
    (_, parts, field, operation) => {
      const expected = { problem: 'bound-exceeded', reason: 'repeated-field', field, bound: 'once' };
      expect(limited(parts, operation)).toMatchObject(expected);
      expect(full(parts, operation)).toMatchObject(expected);
    },
  );
});

describe('webhook_url in a multipart body is refused for every caller', () => {
  it.each<[string, Part]>([
    ['a field', { name: 'webhook_url', content: 'https://hook.example' }],
    ['a file', { name: 'webhook_url', filename: 'a', content: 'https://hook.example' }],
    ['a list', { name: 'webhook_url[]', content: 'x' }],
    ['another letter case', { name: 'Webhook_Url', content: 'x' }],
    ['another spelling', { name: 'webhookUrl', content: 'x' }],
    ['a percent escape', { name: 'webhook%5Furl', content: 'x' }],
    ['a path', { name: 'image_request[webhook_url]', content: 'x' }],
    ['a member of JSON in a part', { name: 'color_palette', content: '{"a":{"webhook_url":"x"}}' }],
    [
      'a member of JSON in a part sent as a file',
      { name: 'color_palette', filename: 'blob', content: '{"webhook_url":"x"}' },
    ],
    ['a member of JSON in a field nobody declared', { name: 'payload', content: ' {"webhook_url":"x"}' }],
    [
      'a member of JSON in an undeclared file that says it is JSON',
      { name: 'payload', filename: 'p', type: 'application/json', content: '[{"webhook_url":"x"}]' },
    ],
    [
      'a member of almost-JSON in a field nobody declared',
      { name: 'payload', content: "{'webhook_url':'x'}" },
    ],
    [
      'a member of JSON in UTF-16 without a mark',
      { name: 'payload', content: '{"webhook_url":"x"}'.replaceAll(/./g, '\0$&') },
    ],
    [
      'a member of JSON in an undeclared file of another JSON type',
      { name: 'payload', filename: 'p', type: 'text/json', content: '{"webhook_url":"x"}' },
    ],
    ['an escaped member of almost-JSON', { name: 'payload', content: '{"\\u0077ebhook_url":"x",}' }],
  ])('as %s', (_, part) => {
    const found = full([...FINE, part]);
    expect(found).toMatchObject({ problem: 'bound-exceeded', reason: 'webhook-url', field: 'webhook_url' });
    expect(full([part], { ...train, contentTypes: ['multipart/form-data'] })?.reason ?? null).toBe(
      part.name === 'color_palette' && part.filename !== undefined ? null : 'webhook-url',
    );
    expect(limited([...FINE, part])).not.toBeNull();
  });
});

describe('watched fields of a multipart body', () => {
  it('come with their values; files as true; too long ones not at all', () => {
    const options = {
      ...OPTIONS,
      watch: [
        'prompt',
        'num_images',
        'rendering_speed',
        'style_reference_images',
        'image_request.num_images',
        'color_palette',
      ],
    };
    const reader = openBody(
      generate,
      'full',
      `multipart/form-data; boundary=${BOUNDARY}`,
      undefined,
      options,
    );
    if (!isReader(reader)) throw new Error('no reader');
    const palette = { name: 'color_palette', content: '{"name":"EMBER"}' };
    const parts = [
      STYLE,
      { name: 'num_images', content: '3' },
      palette,
      TURBO,
      { name: 'prompt', content: 'x'.repeat(65_537) },
    ];
    expect(reader.push(bytes(multipart(parts)))).toBeNull();
    expect(reader.end()).toBeNull();
    expect(Object.fromEntries(reader.fields())).toEqual({
      style_reference_images: true,
      num_images: 3,
      color_palette: true,
      rendering_speed: 'TURBO',
    });
  });
});

describe('a multipart body may not turn a quote into a call that runs', () => {
  it.each(['dry_run', 'dry_run[]', 'dryRun', 'DRY-RUN', 'dry%5Frun'])('with a part named %s', (name) => {
    const body = multipart([PROMPT, { name, content: 'false' }]);
    expect(verdict(generate, 'full', body, { quote: true })).toMatchObject({
      problem: 'bound-exceeded',
      reason: 'dry-run-form',
    });
  });
});
