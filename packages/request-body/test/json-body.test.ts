import { describe, expect, it } from 'vitest';
import { openBody } from '../src/index.ts';
import { bytes, isReader, OPTIONS, verdict } from './bodies.ts';
import { listModels } from '@ideogate/testkit/sample-operations';
import { generate, quoted, train } from './sample-operations.ts';

const JSON_TYPE = { type: 'application/json' };
const limited = (body: string, operation = generate) => verdict(operation, 'limited', body, JSON_TYPE);
const full = (body: string, operation = generate) => verdict(operation, 'full', body, JSON_TYPE);

describe('a JSON body within its bounds passes', () => {
  it.each([
    '{"prompt":"a cat","num_images":1,"rendering_speed":"TURBO"}',
    '{"prompt":"a cat","rendering_speed":"FLASH"}',
    '{"prompt":"num_images: 8, webhook_url","rendering_speed":"TURBO","seed":0}',
    '{"prompt":"a","rendering_speed":"TURBO","color_palette":{"members":[{"color_hex":"#000000","color_weight":0.5}]},"style_codes":["AAAAAAAA","BBBBBBBB"]}',
    '{"prompt":"a","rendering_speed":"TURBO","enable_copyright_detection":null}',
  ])('%s', (body) => {
    expect(limited(body)).toBeNull();
    expect(verdict(generate, 'limited', body, { ...JSON_TYPE, size: 1 })).toBeNull();
  });
});

describe('a JSON body past its bounds is refused under write:limited, and not with the full grant', () => {
  const body = (members: string) => `{"prompt":"a cat","rendering_speed":"TURBO"${members}}`;
  it.each([
    ['a second image', body(',"num_images":2'), 'over-bound', 'num_images', '2'],
    ['no image at all', body(',"num_images":0'), 'over-bound', 'num_images', '0'],
    ['a negative number', body(',"num_images":-1'), 'over-bound', 'num_images', '-1'],
    ['a number with a fraction', body(',"num_images":1.0'), 'number-form', 'num_images', null],
    ['a number with an exponent', body(',"num_images":1e0'), 'number-form', 'num_images', null],
    ['half an image', body(',"num_images":0.5'), 'wrong-type', 'num_images', null],
    ['a number as text', body(',"num_images":"1"'), 'wrong-type', 'num_images', null],
    ['true for a number', body(',"num_images":true'), 'wrong-type', 'num_images', null],
    ['null for a bounded field', body(',"num_images":null'), 'wrong-type', 'num_images', null],
    ['a list for a bounded field', body(',"num_images":[1]'), 'wrong-type', 'num_images', null],
    ['a seed in another spelling', body(',"seed":1.0'), 'number-form', 'seed', null],
    ['QUALITY', '{"prompt":"a","rendering_speed":"QUALITY"}', 'over-bound', 'rendering_speed', 'QUALITY'],
    ['a speed in another letter case', '{"rendering_speed":"turbo"}', 'over-bound', 'rendering_speed', null],
    ['no speed, which counts as DEFAULT', '{"prompt":"a"}', 'must-be-sent', 'rendering_speed', null],
    ['an unknown field', body(',"num_image":8'), 'unknown-field', 'num_image', null],
    [
      'a forbidden field',
      body(',"character_reference_images":[]'),
      'forbidden-field',
      'character_reference_images',
      null,
    ],
    ['a file field', body(',"style_reference_images":["x"]'), 'file-as-text', 'style_reference_images', null],
    ['an object field that is none', body(',"color_palette":"red"'), 'wrong-type', 'color_palette', null],
  ])('%s', (_, text, reason, field, value) => {
    expect(limited(text)).toMatchObject({ problem: 'bound-exceeded', reason, field, value });
    expect(full(text)).toBeNull();
  });

  it('a bound on a member of a member', () => {
    const inner = (members: string) => `{"rendering_speed":"turbo","image_request":${members}}`;
    expect(
      limited(inner('{"num_images":3}'), {
        ...quoted,
        limited: [{ field: 'image_request.num_images', max: 1, absent: 1 }],
      }),
    ).toMatchObject({
      field: 'image_request.num_images',
      bound: 'at most 1',
      value: '3',
    });
    expect(limited(inner('{"n":3}'), quoted)).toMatchObject({
      reason: 'unknown-field',
      field: 'image_request.n',
    });
    expect(limited(inner('[]'), quoted)).toMatchObject({ reason: 'wrong-type', field: 'image_request' });
  });

  it('a field without a documented default that is not sent', () => {
    expect(limited('{"prompt":"a"}', quoted)).toMatchObject({
      reason: 'must-be-sent',
      field: 'rendering_speed',
      bound: 'one of turbo',
    });
    expect(limited('{"prompt":"a","rendering_speed":"turbo"}', quoted)).toBeNull();
  });

  it('a body that is no object', () => {
    expect(limited('[]')).toMatchObject({ problem: 'invalid-body', reason: 'wrong-type' });
  });

  it('an operation that write:limited does not cover', () => {
    expect(limited('{}', train)).toMatchObject({ problem: 'bound-exceeded', reason: 'not-limited' });
  });

  it('with a hint at the name that was meant, and no prompt text', () => {
    const found = limited('{"prompt":"FAKE-PROMPT","rendering_sped":"FAKE-PROMPT"}');
    expect(found?.detail).toContain('Did you mean rendering_speed?');
    expect(JSON.stringify(limited('{"prompt":"x","rendering_speed":"FAKE-PROMPT"}'))).not.toContain(
      'FAKE-PROMPT',
    );
  });
});

describe('what no caller may send', () => {
  it.each([
    '{"webhook_url":"https://hook.example"}',
    '{"webhook_url":false}',
    '{"webhook_url":""}',
    '{"webhook_url":{}}',
    '{"webhook_url":[null]}',
    '{"webhookUrl":null}',
    '{"Webhook_URL":"x"}',
    '{"w\\u0065\\u0301bhook_url":"x"}',
    '{"\\uff57ebhook\\u200b_url":"x"}',
    '{"\\ud835\\udc30ebhook_url":"x"}',
    '{"color_palette":{"webhook_url":null}}',
    '[{"webhook_url":null}]',
    '{"webhookUrl":"x"}',
    '{"webhook-url":"x"}',
    '{"webhook_url[]":"x"}',
    '{"\\u0077ebhook_url":"x"}',
    '{"webhook%5Furl":"x"}',
    '{"a":[{"b":{"webhook_url":"x"}}]}',
    '[{"webhook_url":"x"}]',
    '{"color_palette":{"webhook_url":"x"}}',
  ])('webhook_url as %s', (body) => {
    expect(full(body)).toMatchObject({
      problem: 'bound-exceeded',
      reason: 'webhook-url',
      field: 'webhook_url',
    });
    expect(full(body, train)).toMatchObject({ reason: 'webhook-url' });
    expect(limited(body)).not.toBeNull();
  });

  it.each([
    '',
    '{',
    '{"a":1,"a":2}',
    '{"a":1}{}',
    '\u00ef\u00bb\u00bf{}',
    '{"a":"\u00ff"}',
    "{'a':1}",
    '{"a":1e999}',
    'null x',
  ])('JSON with no or several meanings: %s', (body) => {
    expect(full(body)).toMatchObject({ problem: 'invalid-body', reason: 'json-malformed' });
  });

  it.each([
    ['letter case, as Go and .NET ignore it', '{"Num_Images":8}', 'Num_Images', 'num_images'],
    ['no separator, as protobuf has it', '{"numImages":8}', 'numImages', 'num_images'],
    ['brackets', '{"num_images[]":8}', 'num_images[]', 'num_images'],
    ['another separator', '{"num-images":8}', 'num-images', 'num_images'],
    ['full-width letters', '{"\\uff4eum_images":8}', null, 'num_images'],
  ])('a declared field in another spelling: %s (I.66)', (_, body, field, meant) => {
    const refusal = { problem: 'invalid-body', reason: 'unclear-name', field };
    expect(full(body)).toMatchObject(refusal);
    expect(full(body)?.detail).toContain(`Send ${meant}.`);
    expect(limited(body)).toMatchObject(refusal);
  });

  it('a member of a member in another spelling', () => {
    expect(full('{"image_request":{"NumImages":8}}', quoted)).toMatchObject({
      reason: 'unclear-name',
      field: 'image_request.NumImages',
    });
  });

  it.each([
    '{"__proto__":{"num_images":8}}',
    '{"color_palette":{"\\u005f_proto__":1}}',
    '{"seed\\u0000x":1}',
  ])('a name that is no member to some readers: %s', (body) => {
    expect(full(body)).toMatchObject({ problem: 'invalid-body', reason: 'unclear-name' });
  });

  it.each([
    ['names that differ in letter case only', '{"color_palette":{"a":1,"A":2}}'],
    ['a declared name among them', '{"num_images":1,"NUM_IMAGES":8}'],
    ['an integer that some readers round', '{"seed":9007199254740993}'],
  ])('%s', (_, body) => {
    expect(full(body)).toMatchObject({ problem: 'invalid-body', reason: 'json-malformed' });
  });

  it('more values or levels than an image ever needs', () => {
    const many = `{"style_codes":[${Array.from({ length: 20_000 }, () => '0').join(',')}]}`;
    expect(full(many)).toMatchObject({ problem: 'body-too-large', reason: 'json-too-many-values' });
    const deep = `{"color_palette":${'['.repeat(64)}${']'.repeat(64)}}`;
    expect(full(deep)).toMatchObject({ problem: 'invalid-body', reason: 'json-too-deep' });
  });

  it('JSON past 1 MiB, however it is cut', () => {
    const exact = `"${'x'.repeat(1_048_574)}"`;
    expect(full(exact)).toBeNull();
    expect(full(`${exact} `)).toMatchObject({ problem: 'body-too-large', reason: 'json-too-large' });
    expect(verdict(generate, 'full', `${exact} `, { ...JSON_TYPE, size: 1000 })).toMatchObject({
      reason: 'json-too-large',
    });
  });

  it.each([
    ['text/plain', 'unsupported-content-type', 'content-type-not-taken'],
    ['application/x-www-form-urlencoded', 'unsupported-content-type', 'content-type-not-taken'],
    [
      'application/json, multipart/form-data; boundary=x',
      'unsupported-content-type',
      'content-type-malformed',
    ],
    ['application/json; charset=utf-16', 'unsupported-content-type', 'content-type-malformed'],
    ['application/json; charset=utf-8; charset=utf-16', 'unsupported-content-type', 'content-type-malformed'],
    ['application/json;', 'unsupported-content-type', 'content-type-malformed'],
    ['', 'unsupported-content-type', 'content-type-malformed'],
    ['multipart/form-data', 'invalid-body', 'multipart-boundary'],
    ['multipart/form-data; boundary=', 'unsupported-content-type', 'content-type-malformed'],
    ['multipart/form-data; boundary=a; boundary=b', 'unsupported-content-type', 'content-type-malformed'],
    ['multipart/form-data; boundary=a; Boundary=b', 'unsupported-content-type', 'content-type-malformed'],
    ['multipart/form-data; boundary=a; charset=utf-7', 'invalid-body', 'multipart-boundary'],
    ['multipart/form-data; boundary=a b', 'unsupported-content-type', 'content-type-malformed'],
    ['multipart/form-data; boundary="a "', 'invalid-body', 'multipart-boundary'],
    ['multipart/form-data; boundary="a\\"b"', 'unsupported-content-type', 'content-type-malformed'],
    [`multipart/form-data; boundary=${'a'.repeat(71)}`, 'invalid-body', 'multipart-boundary'],
  ])('the content type "%s"', (type, problem, reason) => {
    expect(verdict(generate, 'full', '{}', { type })).toMatchObject({ problem, reason });
  });

  it.each(['gzip', 'br', 'identity, gzip', ''])('the content encoding "%s"', (encoding) => {
    expect(verdict(generate, 'full', '{}', { ...JSON_TYPE, encoding })).toMatchObject({
      problem: 'unsupported-content-type',
      reason: 'content-encoding',
    });
  });

  it('a body on an operation that takes none, or without saying what it is', () => {
    expect(verdict(listModels, 'full', '{}', JSON_TYPE)).toMatchObject({ reason: 'body-not-taken' });
    expect(verdict(listModels, 'full', '', JSON_TYPE)).toBeNull();
    const untyped = openBody(generate, 'full', undefined, undefined, OPTIONS);
    expect(isReader(untyped) && untyped.push(bytes('{'))).toMatchObject({ reason: 'content-type-missing' });
    const empty = openBody(generate, 'limited', undefined, undefined, OPTIONS);
    expect(isReader(empty) && empty.end()).toMatchObject({ reason: 'must-be-sent' });
  });

  it.each(['application/json; charset=utf-8', 'Application/JSON;charset="UTF-8"'])(
    'but %s is JSON',
    (type) => {
      expect(verdict(generate, 'full', '{}', { type })).toBeNull();
      expect(verdict(generate, 'full', '{}', { type, encoding: 'identity' })).toBeNull();
    },
  );
});

describe('watched fields of a JSON body', () => {
  it('come with their values, by path', () => {
    const options = {
      ...OPTIONS,
      watch: ['prompt', 'num_images', 'image_request.num_images', 'style_codes', 'seed'],
    };
    const reader = openBody(quoted, 'full', 'application/json', undefined, options);
    if (!isReader(reader)) throw new Error('no reader');
    reader.push(
      bytes(
        '{"prompt":"a cat","num_images":2,"image_request":{"num_images":3},"style_codes":["A"],"other":1}',
      ),
    );
    expect(reader.end()).toBeNull();
    expect(Object.fromEntries(reader.fields())).toEqual({
      prompt: 'a cat',
      num_images: 2,
      'image_request.num_images': 3,
      style_codes: true,
    });
  });
});

describe('a JSON body may not turn a quote into a call that runs', () => {
  it.each(['{"prompt":"a","dry_run":false}', '{"dry_run":true}', '{"dryRun":0}', '{"dry\\u005frun":null}'])(
    '%s',
    (body) => {
      expect(verdict(quoted, 'full', body, { ...JSON_TYPE, quote: true })).toMatchObject({
        problem: 'bound-exceeded',
        reason: 'dry-run-form',
      });
      expect(full(body, quoted)).toBeNull();
    },
  );

  it('and a prompt may speak of it', () => {
    expect(verdict(quoted, 'full', '{"prompt":"dry_run=false"}', { ...JSON_TYPE, quote: true })).toBeNull();
  });
});

describe('webhook_url: null is the same as leaving it out', () => {
  it.each([
    ['where it is declared', quoted],
    ['where it is not', generate],
    ['where no field is', train],
  ])('%s', (_, operation) => {
    expect(full('{"webhook_url":null}', operation)).toBeNull();
    expect(full('{"prompt":"a","\\u0077ebhook_url":null}', operation)).toBeNull();
  });

  it('under bounds too', () => {
    expect(limited('{"rendering_speed":"turbo","webhook_url":null}', quoted)).toBeNull();
    expect(limited('{"rendering_speed":"TURBO","webhook_url":null}')).toBeNull();
  });
});

describe('a JSON body is read as it comes', () => {
  it('what is wrong is said at once, and the same however it is cut', () => {
    const body = bytes('{"webhook_url":"x","a":1,"a":nul');
    for (const size of [1, 3, body.length]) {
      const reader = openBody(generate, 'full', 'application/json', undefined, OPTIONS);
      if (!isReader(reader)) throw new Error('no reader');
      let found = null;
      for (let at = 0; found === null && at < body.length; at += size)
        found = reader.push(body.subarray(at, at + size));
      expect(found).toMatchObject({ reason: 'webhook-url' });
      expect(reader.end()).toBe(found);
    }
  });

  it('a prompt of a megabyte is kept nowhere, and one that is watched up to 64 KiB (H.63)', () => {
    const readers = Array.from({ length: 40 }, () => {
      const reader = openBody(generate, 'full', 'application/json', undefined, OPTIONS);
      if (!isReader(reader)) throw new Error('no reader');
      return reader;
    });
    const before = process.memoryUsage();
    for (const reader of readers) {
      reader.push(bytes('{"prompt":"'));
      for (let slice = 0; slice < 63; slice++) reader.push(LETTERS);
    }
    const after = process.memoryUsage();
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(readers.length * 3 * 65_536);
    for (const reader of readers) expect([reader.push(bytes('"}')), reader.end()]).toEqual([null, null]);
    expect(readers[0]?.fields().has('prompt')).toBe(false);
  });

  it.each<[string, (index: number) => string]>([
    ['plain names', (index) => `"n${index.toString(36)}":0`],
    ['names in capitals', (index) => `"-${index.toString(36)}A":0`],
    ['names of many scripts', (index) => `"${String.fromCodePoint(0xa0 + (index % 20_000))}${index}":0`],
    ['names of marks that combine', (index) => `"${'\u0344\u0300'.repeat(200)}${index}":0`],
    ['escapes on top of each other', (index) => `"${'%25'.repeat(300)}${index}":0`],
  ])('a slice of a body costs what its bytes deserve: %s (H.63)', (_, member) => {
    const members: string[] = [];
    for (let length = 0; length < 1 << 20; length += (members.at(-1)?.length ?? 0) + 1)
      members.push(member(members.length));
    const body = new TextEncoder().encode(`{${members.join(',')}`);
    const options = { ...OPTIONS, maxJsonBytes: 8 << 20, maxJsonValues: 1_000_000, quote: true };
    const costs = [1, 2, 3].map(() => {
      const reader = openBody(generate, 'full', 'application/json', undefined, options);
      if (!isReader(reader)) throw new Error('no reader');
      const begun = process.threadCpuUsage();
      for (let at = 0; at < body.length; at += 16_384)
        if (reader.push(body.subarray(at, at + 16_384)) !== null) throw new Error('refused');
      const { user, system } = process.threadCpuUsage(begun);
      return (user + system) / (body.length / 16_384);
    });
    // Microseconds: less than a millisecond on a quiet machine. What is not linear takes many times as long.
    expect(Math.min(...costs)).toBeLessThan(2500);
  });
});

const LETTERS = new Uint8Array(16_384).fill(0x61);
