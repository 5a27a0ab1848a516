import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  JsonBoundError,
  type JsonVisitor,
  parseStrictJson,
  parseStrictJsonBytes,
  StrictJsonError,
  type StrictJsonOptions,
  StrictJsonReader,
} from '../src/index.ts';

const SLICE = 16_384;
const utf8 = (text: string) => new TextEncoder().encode(text);
const latin1 = (text: string) => Uint8Array.from(text, (sign) => sign.charCodeAt(0));

/** Tells what it was told, and wants texts of up to `limit` bytes. */
function witness(limit: number): JsonVisitor & { readonly told: string[] } {
  const told: string[] = [];
  return {
    told,
    name: (name) => void told.push(`name ${name}`),
    textLimit: () => limit,
    text: (value) => void told.push(value === null ? 'long text' : `text ${value}`),
    scalar: (value) => void told.push(`${value}`),
    openObject: () => void told.push('{'),
    openArray: () => void told.push('['),
    close: () => void told.push('end'),
  };
}

/** What a visitor was told of a text that came in pieces of these sizes, over and over, and how it ended. */
function readInPieces(bytes: Uint8Array, sizes: readonly number[], options: StrictJsonOptions, limit = 64) {
  const visitor = witness(limit);
  const reader = new StrictJsonReader(visitor, options);
  try {
    for (let at = 0, turn = 0; at < bytes.length; turn++) {
      const size = sizes[turn % sizes.length] ?? 1;
      reader.push(bytes.subarray(at, at + size));
      at += size;
    }
    reader.end();
    return { told: visitor.told, fault: null };
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
    const { message, offset, path } = error;
    return { told: visitor.told, fault: { message, offset, path } };
  }
}

function faultOf(text: string | Uint8Array, options: StrictJsonOptions = {}): string | null {
  const bytes = typeof text === 'string' ? utf8(text) : text;
  return readInPieces(bytes, [SLICE], options).fault?.message ?? null;
}

const STRUCTURE = ['{', '}', '[', ']', ',', ':', ' ', '\n', '\t'];
const STRINGS = ['"a"', '"A"', '"', '\\', '\\u0041', '\\ud83d', '\\ude00', '\\n', '\\x', '"__proto__"'];
const NUMBERS = ['1', '0', '-', '.', 'e', 'E', '+', '12', '1.5', '1e400', '9007199254740993'];
const WORDS = ['true', 'false', 'null', 'tru'];
const SIGNS = ['\u00e9', '\u4e16', '\u{1f600}', '\u0001', `"${'n'.repeat(1025)}`];
const fragment = fc.constantFrom(...STRUCTURE, ...STRINGS, ...NUMBERS, ...WORDS, ...SIGNS);
/** JSON, with a slip or without, and heaps of its pieces. */
const text = fc.oneof(
  fc.array(fragment, { maxLength: 25 }).map((pieces) => pieces.join('')),
  fc.tuple(fc.json({ maxDepth: 4 }), fc.nat(), fc.option(fragment)).map(([json, place, slip]) => {
    const at = place % (json.length + 1);
    return slip === null ? json : json.slice(0, at) + slip + json.slice(at + (place % 3));
  }),
);

describe('strict JSON that comes in pieces', () => {
  it('is read alike however it is cut, faults and their places too', () => {
    fc.assert(
      fc.property(
        fc.oneof(text.map(utf8), fc.uint8Array({ maxLength: 20 })),
        fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 6 }),
        fc.record({ canonicalNumbers: fc.boolean(), everyReader: fc.boolean() }),
        (bytes, sizes, options) => {
          const whole = readInPieces(bytes, [bytes.length], options, 5);
          expect(readInPieces(bytes, sizes, options, 5)).toEqual(whole);
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('is what JSON.parse reads, where it is taken at all', () => {
    fc.assert(
      fc.property(text, (json) => {
        let value: unknown;
        try {
          value = parseStrictJson(json);
        } catch (error) {
          if (error instanceof StrictJsonError) return;
          throw error;
        }
        expect(JSON.stringify(value)).toBe(JSON.stringify(JSON.parse(json)));
      }),
      { numRuns: 3000 },
    );
  });

  it('of a long text no more is kept than is wanted', () => {
    expect(readInPieces(utf8('["12345","123456","\\u00e9\\u00e9\\u00e9"]'), [1], {}, 5).told).toEqual([
      '[',
      'text 12345',
      'long text',
      'long text',
      'end',
    ]);
  });
});

describe('strict JSON has bounds', () => {
  it('of values, lists and objects counted (H.63)', () => {
    const list = (items: number) => `[${Array.from({ length: items }, () => '{}').join(',')}]`;
    expect(faultOf(list(19_999))).toBeNull();
    expect(faultOf(list(20_000))).toBe('holds more than 20000 values');
    expect(faultOf('[1,"a",null]', { maxValues: 3 })).toBe('holds more than 3 values');
    expect(() => parseStrictJson(list(20_000))).toThrow(JsonBoundError);
  });

  it('of depth (H.63)', () => {
    const nest = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);
    expect(faultOf(nest(64))).toBeNull();
    expect(faultOf(nest(65))).toBe('nested deeper than 64 levels');
    expect(faultOf('{"a":[]}', { maxDepth: 1 })).toBe('nested deeper than 1 levels');
    expect(faultOf('['.repeat(1_000_000))).toBe('nested deeper than 64 levels');
  });

  it('of names and numbers', () => {
    expect(faultOf(`{"${'n'.repeat(1024)}":1}`)).toBeNull();
    expect(faultOf(`{"${'n'.repeat(1025)}":1}`)).toBe('a member name is longer than 1024 bytes');
    expect(faultOf(`{"${'\\u0041'.repeat(1025)}":1}`)).toBe('a member name is longer than 1024 bytes');
    expect(faultOf(`{"${'\u4e16'.repeat(342)}":1}`)).toBe('a member name is longer than 1024 bytes');
    expect(faultOf(`0.${'1'.repeat(126)}`)).toBeNull();
    expect(faultOf(`0.${'1'.repeat(127)}`)).toBe('a number is longer than 128 characters');
  });
});

describe('text that is no Unicode is refused where it stands', () => {
  it.each([
    ['a lone continuation', '"a\x80"', 2],
    ['an overlong sign', '"\xc0\xaf"', 1],
    ['an overlong sign of three', '"\xe0\x80\xaf"', 2],
    ['half a surrogate pair in UTF-8', '"\xed\xa0\x80"', 2],
    ['a sign past the last', '"\xf4\x90\x80\x80"', 2],
    ['a sign cut short', '"\xe4\xb8"', 3],
  ])('%s', (_, bytes, offset) => {
    expect(readInPieces(latin1(bytes), [1], {}).fault).toMatchObject({
      message: 'not valid UTF-8',
      offset: expect.closeTo(offset, -1),
    });
  });

  it.each(['"\\ud800"', '"\\udc00"', '"\\ud800a"', '"\\ud800\\n"', '"\\ud800\\u0041"', '"\\udc00\\ud800"'])(
    'half a surrogate pair as %s',
    (json) => {
      expect(faultOf(json)).toBe('a string holds half a surrogate pair');
    },
  );

  it('a byte-order mark, before and between', () => {
    expect(faultOf('\ufeff{}')).toBe('expected a value');
    expect(faultOf('[\ufeff]')).toBe('expected a value');
    expect(() => parseStrictJsonBytes(utf8('\ufeff{}'))).toThrow(StrictJsonError);
  });

  it('and half a pair in a text that is given as text', () => {
    expect(() => parseStrictJson('"\ud800"')).toThrow('half a surrogate pair');
  });
});

describe('what readers in use take differently', () => {
  const rounded = 'an integer is past 2^53 - 1, where some readers round';
  const repeated = 'a member name is repeated, or differs from another in letter case only';
  it.each([
    ['9007199254740993', rounded],
    ['-123456789012345678901234567890', rounded],
    ['{"a":1,"A":2}', repeated],
    ['{"\\u0041":1,"a":2}', repeated],
    ['{"k":1,"\u212a":2}', repeated],
    ['{"s":1,"\u017f":2}', repeated],
  ])('%s is refused where every reader must agree, and taken elsewhere', (json, message) => {
    expect(faultOf(json)).toBeNull();
    expect(faultOf(json, { everyReader: true })).toBe(message);
  });

  it('an object in another may have the same names', () => {
    expect(faultOf('{"a":{"a":1},"b":[{"a":1},{"a":2}]}', { everyReader: true })).toBeNull();
  });

  it('a name is repeated only within its object, of however many names', () => {
    const members = Array.from({ length: 9000 }, (_, index) => `"${index}":0`);
    expect(faultOf(`{${members.join(',')}}`)).toBeNull();
    expect(faultOf(`{${[...members, '"4711":1'].join(',')}}`)).toBe('a member name is repeated');
    expect(faultOf(`[{${members.join(',')}},{${members.join(',')}}]`)).toBeNull();
  });
});

/** A megabyte of one thing, again and again. */
function flood(piece: (index: number) => string, open = '['): Uint8Array {
  const pieces: string[] = [];
  for (let length = 0, index = 0; length < 1 << 20; index++) {
    const next = piece(index);
    pieces.push(next);
    length += next.length + 1;
  }
  return utf8(open + pieces.join(','));
}

describe('time is proportional to bytes', () => {
  it.each<[string, Uint8Array]>([
    ['empty objects', flood(() => '{}')],
    ['lists in lists', flood(() => '[[[[]]]]')],
    ['90,000 names', flood((index) => `"${index}":0`, '{')],
    ['objects of one name', flood(() => '{"a":0}')],
    ['escaped letters', flood(() => `"${'\\u0041'.repeat(5000)}"`)],
    ['escaped letters in names', flood(() => `{"${'\\u0041'.repeat(1000)}":0}`)],
    ['surrogate pairs', flood(() => `"${'\\ud83d\\ude00'.repeat(2000)}"`)],
    ['long fractions', flood(() => `0.${'1'.repeat(120)}`)],
    ['short numbers', flood(() => '1')],
    ['numbers with exponents', flood(() => '1e-7')],
    ['names of marks that combine', flood(() => `{"${'\u0344\u0300'.repeat(250)}":0}`)],
    ['names that grow when normalised', flood(() => `{"${'\ufdfa'.repeat(340)}":0}`)],
    ['one long text', utf8(`["${'a'.repeat(1 << 20)}`)],
    ['one long text of three-byte signs', utf8(`["${'\u4e16'.repeat(350_000)}`)],
  ])('a slice costs what its bytes deserve: %s (H.63)', (_, bytes) => {
    const costs = [1, 2, 3].map(() => {
      const reader = new StrictJsonReader(witnessOfNothing, { everyReader: true, maxValues: 1_000_000 });
      const begun = process.threadCpuUsage();
      for (let at = 0; at < bytes.length; at += SLICE) reader.push(bytes.subarray(at, at + SLICE));
      const { user, system } = process.threadCpuUsage(begun);
      return (user + system) / (bytes.length / SLICE);
    });
    // Microseconds: half a millisecond on a quiet machine. What is not linear takes many times as long.
    expect(Math.min(...costs)).toBeLessThan(2000);
  });
});

const witnessOfNothing: JsonVisitor = {
  name: () => undefined,
  textLimit: () => 65_536,
  text: () => undefined,
  scalar: () => undefined,
  openObject: () => undefined,
  openArray: () => undefined,
  close: () => undefined,
};
