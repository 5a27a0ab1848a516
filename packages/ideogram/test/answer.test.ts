import type { Operation } from '@ideogate/contract';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  AnswerReader,
  OPERATIONS,
  type PricedOutcome,
  pricedFields,
  priceOf,
  readAnswer,
} from '../src/index.ts';

function byId(id: string): Operation {
  const found = OPERATIONS.find((operation) => operation.id === id);
  if (found === undefined) throw new Error(`no operation ${id}`);
  return found;
}

describe('reading an answer', () => {
  test.each<readonly [string, string, number, unknown, ReturnType<typeof readAnswer>]>([
    [
      'two images, both safe',
      'v3.generate',
      200,
      { data: [{ is_image_safe: true }, { is_image_safe: true }] },
      { images: 2, safe: true, made: [] },
    ],
    [
      'a 200 that is a refusal',
      'v3.generate',
      200,
      { data: [{ is_image_safe: true }, { url: null, is_image_safe: false }] },
      { images: 2, safe: false, made: [] },
    ],
    [
      'a generation made asynchronously',
      'v4.async.generate',
      202,
      { generation_id: 'Zm9v_-' },
      { images: null, safe: null, made: ['generation:Zm9v_-'] },
    ],
    [
      'a poll, which made nothing',
      'v2.generations.get',
      200,
      { generation_id: 'Zm9v', status: 'completed', data: [{ is_image_safe: true }] },
      { images: 1, safe: true, made: [] },
    ],
    [
      'a new data set',
      'datasets.create',
      200,
      { dataset_id: 'd1', name: 'cats' },
      { images: null, safe: null, made: ['dataset:d1'] },
    ],
    [
      'a training run, which made a model and no data set',
      'datasets.train',
      200,
      { dataset_id: 'd1', model_id: 'm1' },
      { images: null, safe: null, made: ['model:m1'] },
    ],
    [
      'an upload, which made no id',
      'datasets.upload',
      200,
      { dataset_id: 'd1' },
      { images: null, safe: null, made: [] },
    ],
    [
      'a list, which made nothing',
      'datasets.list',
      200,
      { dataset_id: 'd1', datasets: [] },
      { images: null, safe: null, made: [] },
    ],
    [
      'an error with an id in it, which made nothing',
      'v4.async.generate',
      500,
      { generation_id: 'Zm9v', data: [{}] },
      { images: null, safe: null, made: [] },
    ],
    [
      'an id that no record should hold',
      'v4.async.generate',
      200,
      { generation_id: 'a b\u0000' },
      { images: null, safe: null, made: [] },
    ],
  ])('%s', (_what, id, status, body, expected) => {
    expect(readAnswer(byId(id), status, JSON.stringify(body))).toEqual(expected);
  });

  test('rubbish never throws and says nothing', () => {
    const nothing = { images: null, safe: null, made: [] };
    for (const body of ['', '{', '[]', 'null', '"x"', '<html>', '\u0000']) {
      expect(readAnswer(byId('v3.generate'), 200, body)).toEqual(nothing);
    }
    fc.assert(
      fc.property(fc.constantFrom(...OPERATIONS), fc.json(), (operation, body) => {
        readAnswer(operation, 200, body);
      }),
    );
  });
});

describe('pricing a call', () => {
  const ok: PricedOutcome = { status: 200, images: 1, dryRun: false };
  test.each<
    readonly [
      string,
      string,
      Record<string, string | number | boolean>,
      Partial<PricedOutcome>,
      number | null,
    ]
  >([
    ['the default speed when none was sent', 'v3.generate', {}, {}, 60_000],
    ['the speed that was sent', 'v3.generate', { rendering_speed: 'TURBO' }, {}, 30_000],
    ['each image in the answer', 'v3.generate', { rendering_speed: 'QUALITY' }, { images: 4 }, 360_000],
    [
      'a character reference',
      'v3.generate',
      { rendering_speed: 'TURBO', character_reference_images: true },
      {},
      100_000,
    ],
    ['a speed without a known price', 'v3.generate', { rendering_speed: 'BALANCED' }, {}, null],
    ['a value named like a property of objects', 'v3.generate', { rendering_speed: 'toString' }, {}, null],
    [
      'an upscaled transparent image',
      'v3.generate-transparent',
      { upscale_factor: 'X4', rendering_speed: 'TURBO' },
      {},
      200_000,
    ],
    ['the legacy default model', 'legacy.generate', {}, {}, 80_000],
    ['a legacy model', 'legacy.generate', { 'image_request.model': 'V_2A_TURBO' }, { images: 2 }, 50_000],
    ['a legacy model without a known price', 'legacy.generate', { 'image_request.model': 'V_3' }, {}, null],
    ['images not yet there', 'v4.async.generate', {}, { images: null }, 60_000],
    [
      'images asked for, when none came yet',
      'v2.image.generate.ideogram-4',
      { num_images: '3', rendering_speed: 'turbo' },
      { images: null },
      90_000,
    ],
    [
      'a number of images that makes no sense',
      'v2.image.generate.ideogram-4',
      { num_images: '1e9' },
      { images: null },
      null,
    ],
    ['a call, not its images', 'upscale', { 'image_request.num_images': 4 }, { images: 4 }, 60_000],
    ['a training run', 'datasets.train', {}, { images: null }, 40_000_000],
    ['a dry run', 'v2.image.generate.ideogram-4', {}, { dryRun: true, images: null }, 0],
    ['a refusal by Ideogram', 'v3.generate', {}, { status: 422, images: null }, 0],
    ['a failure', 'v3.generate', {}, { status: 500, images: null }, 0],
    ['a read', 'models.list', {}, { images: null }, 0],
    ['what no price is known for', 'v1.ernie.generate', {}, {}, null],
    ['a quality whose price is known only when not sent', 'v2.image.generate.ideogram-4-5', {}, {}, 100_000],
    ['a quality whose price is not known', 'v2.image.generate.ideogram-4-5', { quality: 'high' }, {}, null],
  ])('%s', (_what, id, request, outcome, expected) => {
    expect(priceOf(byId(id), new Map(Object.entries(request)), { ...ok, ...outcome })).toBe(expected);
  });

  test('the fields it looks at are named, so that nothing else needs to be read', () => {
    expect([...pricedFields(byId('v3.generate'))].sort()).toEqual([
      'character_reference_images',
      'character_reference_images_mask',
      'num_images',
      'rendering_speed',
    ]);
    expect([...pricedFields(byId('legacy.generate'))].sort()).toEqual([
      'image_request.model',
      'image_request.num_images',
    ]);
    expect([...pricedFields(byId('describe'))]).toEqual([]);
  });

  test('every price is a whole number of micros, or null, whatever was asked', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...OPERATIONS),
        fc.dictionary(fc.constantFrom('num_images', 'rendering_speed', 'quality'), fc.string()),
        fc.option(fc.integer({ min: 0, max: 8 })),
        (operation, request, images) => {
          const price = priceOf(operation, new Map(Object.entries(request)), { ...ok, images });
          expect(price).toSatisfy((one) => one === null || (Number.isSafeInteger(one) && one >= 0));
        },
      ),
    );
  });
});

describe('an answer is read while it goes by', () => {
  const generate = byId('v3.generate');

  test.each([1, 3, 1000])('in pieces of %i bytes it says the same', (size) => {
    const answer = {
      created: 'x',
      data: [{ url: 'é', is_image_safe: true, more: { is_image_safe: false } }, {}],
    };
    const bytes = new TextEncoder().encode(JSON.stringify(answer));
    const reader = new AnswerReader(generate, 200);
    for (let at = 0; at < bytes.length; at += size) reader.push(bytes.subarray(at, at + size));
    expect(reader.end()).toEqual({ images: 2, safe: true, made: [] });
  });

  test('a megabyte of it costs each piece what its bytes deserve (H.63)', () => {
    const bytes = new TextEncoder().encode(`{"data":[${'{},'.repeat(349_000)}{}]}`);
    const costs = [1, 2, 3].map(() => {
      const reader = new AnswerReader(generate, 200);
      const begun = process.threadCpuUsage();
      for (let at = 0; at < bytes.length; at += 16_384) reader.push(bytes.subarray(at, at + 16_384));
      const { user, system } = process.threadCpuUsage(begun);
      expect(reader.end().images).toBe(349_001);
      return (user + system) / (bytes.length / 16_384);
    });
    expect(Math.min(...costs)).toBeLessThan(2000);
  });

  test.each(['{"data":[1]', '{"data":[1]} x', '[{"data":[1]}]', '{"data":[1],"data":[1,2]}', ''])(
    'what is not JSON of one meaning, or no object, says nothing: %s',
    (body) => {
      expect(readAnswer(generate, 200, body)).toEqual({ images: null, safe: null, made: [] });
    },
  );
});
