import { describe, expect, it } from 'vitest';
import { openBody } from '../src/index.ts';
import { bytes, isReader, OPTIONS, verdict } from './bodies.ts';
import { generate, listModels, quoted, train } from './sample-operations.ts';

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
    ['a field in brackets', body(',"num_images[]":8'), 'unknown-field', 'num_images[]', null],
    ['a field in another letter case', body(',"Num_Images":8'), 'unknown-field', 'Num_Images', null],
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
    '{"webhook_url":null}',
    '{"Webhook_URL":"x"}',
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
