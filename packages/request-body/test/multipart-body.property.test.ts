import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BodyReader, type Level, openBody, type RequestFault } from '../src/index.ts';
import { bytes, isReader, multipart, OPTIONS, type Part } from './bodies.ts';
import { generate } from './sample-operations.ts';

/** Short, and made of the signs that delimiters are made of: the hard case. */
const BOUNDARY = '-a-';

function open(level: Level): BodyReader {
  const opened = openBody(generate, level, `multipart/form-data; boundary=${BOUNDARY}`, undefined, OPTIONS);
  if (!isReader(opened)) throw new Error(opened.detail);
  return opened;
}

/** The verdict when the body comes in pieces of these sizes, over and over. */
function inPieces(level: Level, body: Uint8Array, sizes: readonly number[]): RequestFault | null {
  const reader = open(level);
  let at = 0;
  for (let turn = 0; at < body.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1;
    const found = reader.push(body.subarray(at, at + size));
    if (found !== null) return found;
    at += size;
  }
  return reader.end();
}

const names = fc.constantFrom(
  'prompt',
  'num_images',
  'rendering_speed',
  'seed',
  'style_codes',
  'style_reference_images',
  'color_palette',
  'nobody',
  'webhook_url',
  'Webhook-URL',
);
const noise = fc
  .array(
    fc.constantFrom(
      '\r',
      '\n',
      '\r\n',
      '-',
      '--',
      '--',
      'a',
      '-a-',
      '--a-',
      '\r\n---a-',
      '1',
      '2',
      'TURBO',
      '{"a":1}',
      '\u00ff',
      ' ',
    ),
    { maxLength: 12 },
  )
  .map((pieces) => pieces.join(''));
const part: fc.Arbitrary<Part> = fc.record(
  {
    name: names,
    content: fc.oneof(noise, fc.constantFrom('1', '2', 'TURBO', 'QUALITY', '{"name":"EMBER"}', 'a cat')),
    filename: fc.constantFrom('a.png', 'blob', ''),
    type: fc.constantFrom('image/png', 'text/plain', 'application/json', 'text/plain; charset=utf-8'),
  },
  { requiredKeys: ['name', 'content'] },
);
/** What a caller within its bounds sends, or nearly so. */
const plausible: fc.Arbitrary<readonly Part[]> = fc
  .tuple(
    fc
      .constantFrom('FLASH', 'TURBO', 'TURBO', 'DEFAULT')
      .map((content) => ({ name: 'rendering_speed', content })),
    fc.constantFrom('1', '1', '1', '2', '01').map((content) => ({ name: 'num_images', content })),
    noise.map((content) => ({ name: 'prompt', content })),
    noise.map((content) => ({ name: 'style_reference_images', filename: 'a.png', content })),
  )
  .chain((parts) => fc.shuffledSubarray(parts, { minLength: 2 }));
/** Whole bodies, and bodies with a slip: something dropped, doubled or put in. */
const body = fc
  .tuple(
    fc.oneof(fc.array(part, { maxLength: 5 }), plausible),
    fc.option(fc.tuple(fc.nat(), fc.nat(6), noise), { freq: 1 }),
  )
  .map(([parts, slip]) => {
    const text = multipart(parts, BOUNDARY);
    if (slip === null) return text;
    const at = slip[0] % (text.length + 1);
    return text.slice(0, at) + slip[2] + text.slice(at + slip[1]);
  });

/** The parts of a body as the simplest reader sees them, or null when it is not sure. */
function naive(text: string): readonly { readonly name: string; readonly content: string }[] | null {
  const delimiter = `--${BOUNDARY}`;
  if (!text.startsWith(delimiter)) return null;
  const pieces = `\r\n${text}`.split(`\r\n${delimiter}`);
  const last = pieces.pop();
  if (pieces.shift() !== '' || pieces.length === 0 || (last !== '--' && last !== '--\r\n')) return null;
  const parts: { name: string; content: string }[] = [];
  for (const piece of pieces) {
    const gap = piece.indexOf('\r\n\r\n');
    if (!piece.startsWith('\r\n') || gap < 0 || piece.includes(delimiter)) return null;
    const header =
      /^\r\nContent-Disposition: form-data; name="([^"\\\r\n]+)"(?:; filename="[^"\\\r\n]*")?(?:\r\nContent-Type: [!-~]+(?:; charset=utf-8)?)?$/.exec(
        piece.slice(0, gap),
      );
    if (header === null) return null;
    parts.push({ name: header[1] ?? '', content: piece.slice(gap + 4) });
  }
  return parts;
}

describe('whatever the multipart body', () => {
  it('cutting it into chunks in any way never changes the verdict', () => {
    fc.assert(
      fc.property(
        body,
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 }),
        (text, sizes) => {
          for (const level of ['limited', 'full'] as const) {
            const whole = inPieces(level, bytes(text), [text.length + 1]);
            expect(inPieces(level, bytes(text), [1])).toEqual(whole);
            expect(inPieces(level, bytes(text), sizes)).toEqual(whole);
          }
        },
      ),
      { numRuns: 1500 },
    );
  });

  it('what passes under bounds is what the simplest reader finds within them', () => {
    let passed = 0;
    fc.assert(
      fc.property(body, (text) => {
        if (inPieces('limited', bytes(text), [text.length + 1]) !== null) return;
        passed++;
        const parts = naive(text);
        expect(parts).not.toBeNull();
        const values = (name: string) =>
          (parts ?? []).filter((one) => one.name === name).map((one) => one.content);
        expect([[], ['1']]).toContainEqual(values('num_images'));
        expect([['FLASH'], ['TURBO']]).toContainEqual(values('rendering_speed'));
        const known = new Set(generate.fields?.map((field) => field.name));
        for (const one of parts ?? []) expect(known).toContain(one.name);
      }),
      { numRuns: 3000 },
    );
    expect(passed).toBeGreaterThan(50);
  });

  it('what passes for a full grant is what the simplest reader finds, without webhook_url', () => {
    let passed = 0;
    fc.assert(
      fc.property(body, (text) => {
        if (inPieces('full', bytes(text), [text.length + 1]) !== null) return;
        const parts = naive(text.startsWith('\r\n') ? text.slice(2) : text);
        // The gateway knows header fields that the simplest reader does not: only what both read is compared.
        if (parts === null) return;
        passed++;
        for (const one of parts) expect(one.name.toLowerCase().replace(/[^a-z]/g, '')).not.toBe('webhookurl');
      }),
      { numRuns: 1500 },
    );
    expect(passed).toBeGreaterThan(100);
  });

  it('a part named webhook_url, anywhere, is refused', () => {
    const before = fc.array(part, { maxLength: 3 });
    fc.assert(
      fc.property(
        before,
        before,
        fc.constantFrom('webhook_url', 'WEBHOOK_URL', 'webhook_url[]', 'webhook%5furl'),
        (first, rest, name) => {
          const text = multipart([...first, { name, content: 'x' }, ...rest], BOUNDARY);
          expect(inPieces('full', bytes(text), [7])).not.toBeNull();
        },
      ),
    );
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (junk) => {
        expect(inPieces('limited', junk, [11])).not.toBeNull();
      }),
    );
  });
});
