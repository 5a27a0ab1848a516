import type { Bound, Field, Operation } from '@ideogate/contract';
import fc from 'fast-check';

/** A body as latin1 text, one character a byte, and what its head should say of it. */
export interface FuzzBody {
  readonly contentType: string | null;
  readonly text: string;
}

type Slip<T> = fc.Arbitrary<(from: T) => T>;

/** Bodies of an operation: within every bound, or with one to three slips. */
export function bodyOf(operation: Operation): fc.Arbitrary<FuzzBody> {
  if (operation.contentTypes.length === 0) {
    return fc.oneof(
      { weight: 9, arbitrary: fc.constant({ contentType: null, text: '' }) },
      { weight: 1, arbitrary: fc.constant({ contentType: 'application/json', text: '{"a":1}' }) },
    );
  }
  return fc.oneof(
    ...operation.contentTypes.map((type) =>
      type === 'application/json' ? jsonBody(operation) : multipartBody(operation),
    ),
  );
}

function jsonBody(operation: Operation): fc.Arbitrary<FuzzBody> {
  return fc
    .tuple(
      values(operation, false),
      slips(MEMBER_SLIPS, 0.4),
      slips(TEXT_SLIPS, 0.2),
      slips(JSON_TYPE_SLIPS, 0.1),
    )
    .map(([fields, member, text, type]) => ({
      contentType: type('application/json'),
      text: text(utf8(JSON.stringify(member(Object.fromEntries(fields))))),
    }));
}

interface Part {
  readonly disposition: string;
  readonly lines: readonly string[];
  readonly content: string;
}

interface Form {
  readonly boundary: string;
  readonly type: string;
  readonly parts: readonly Part[];
}

const BOUNDARIES = ['fuzz', '----formdata-undici-012345678901', '-a-', 'a+b._-', '==a=='];

function multipartBody(operation: Operation): fc.Arbitrary<FuzzBody> {
  return fc
    .tuple(
      values(operation, true),
      fc.constantFrom(...BOUNDARIES),
      slips(PART_SLIPS, 0.4),
      slips(MULTIPART_TYPE_SLIPS, 0.1),
      slips(TEXT_SLIPS, 0.15),
    )
    .map(([fields, boundary, change, type, text]) => {
      const parts = fields.map(([name, value]) => partOf(operation, name, value));
      const form = change({ boundary, type: `multipart/form-data; boundary="${boundary}"`, parts });
      return { contentType: type(form.type), text: text(written(form)) };
    });
}

function partOf(operation: Operation, name: string, value: unknown): Part {
  const field = operation.fields?.find((known) => known.name === name);
  const file = field?.type === 'file' || field?.type === 'file[]';
  return {
    disposition: `form-data; name="${name}"${file ? '; filename="a.png"' : ''}`,
    lines: file ? ['Content-Type: image/png'] : [],
    content: typeof value === 'string' ? utf8(value) : utf8(JSON.stringify(value)),
  };
}

function written({ parts, boundary }: Form): string {
  const all = parts.map(({ disposition, lines, content }) => {
    const head = [`Content-Disposition: ${disposition}`, ...lines].join('\r\n');
    return `--${boundary}\r\n${head}\r\n\r\n${content}\r\n`;
  });
  return `${all.join('')}--${boundary}--\r\n`;
}

/** Fields that Ideogram would take, each inside the bounds of `write:limited`: all required ones, and some others. */
function values(operation: Operation, files: boolean): fc.Arbitrary<readonly (readonly [string, unknown])[]> {
  const known = operation.fields ?? [{ name: 'prompt', type: 'string' } satisfies Field];
  const usable = known.filter(
    (field) =>
      field.name !== 'webhook_url' &&
      !isForbidden(operation, field.name) &&
      (files || !field.type.startsWith('file')),
  );
  const must = usable.filter(
    (field) => field.required === true || boundOf(operation, field.name) !== undefined,
  );
  const may = usable.filter((field) => !must.includes(field));
  return fc
    .subarray(may, { maxLength: Math.min(4, may.length) })
    .chain((some) =>
      fc.tuple(
        ...[...must, ...some].map((field) =>
          valueOf(operation, field, field.name).map((value) => [field.name, value] as const),
        ),
      ),
    );
}

function boundOf(operation: Operation, path: string): Bound | undefined {
  return operation.limited?.find((bound) => bound.field === path);
}

function isForbidden(operation: Operation, path: string): boolean {
  const bound = boundOf(operation, path);
  return bound !== undefined && 'forbidden' in bound;
}

const WORDS = fc.constantFrom('a lighthouse', 'a "cat"', 'caf\u00e9', '1', '{', 'x=y&z', '--fuzz', '\r\n');

function valueOf(operation: Operation, field: Field, path: string): fc.Arbitrary<unknown> {
  const bound = boundOf(operation, path);
  if (bound !== undefined && 'oneOf' in bound) return fc.constantFrom(...bound.oneOf);
  if (bound !== undefined && 'max' in bound) return fc.constant(1);
  if (field.enum !== undefined) return fc.constantFrom(...field.enum);
  switch (field.type) {
    case 'integer':
    case 'number':
      return fc.constantFrom(field.min ?? 1, field.max ?? 7);
    case 'boolean':
      return fc.boolean();
    case 'string':
    case 'file':
    case 'file[]':
      return WORDS;
    case 'string[]':
      return fc.array(WORDS, { maxLength: 3 });
    case 'object[]':
      return fc.constant([]);
    case 'object':
      return fc
        .tuple(
          ...(field.fields ?? [])
            .filter(
              (inner) => inner.name !== 'webhook_url' && !isForbidden(operation, `${path}.${inner.name}`),
            )
            .map((inner) =>
              valueOf(operation, inner, `${path}.${inner.name}`).map((value) => [inner.name, value] as const),
            ),
        )
        .map((members) => Object.fromEntries(members));
  }
}

/** None most of the time, else one to three of them in turn. */
function slips<T>(one: Slip<T>, share: number): Slip<T> {
  const weight = Math.round(share * 100);
  return fc
    .oneof(
      { weight: 100 - weight, arbitrary: fc.constant([]) },
      { weight, arbitrary: fc.array(one, { minLength: 1, maxLength: 3 }) },
    )
    .map((all) => (from: T) => all.reduce((value, slip) => slip(value), from));
}

/** Names that some reader could take for a field that is bounded or refused. */
const NAMES = fc.constantFrom(
  'num_images',
  'rendering_speed',
  'NUM_IMAGES',
  'num_images[]',
  'num-images',
  'numImages',
  ' num_images',
  'image_request',
  'image_request.num_images',
  'image_request[num_images]',
  'webhook_url',
  'webhookUrl',
  'WEBHOOK_URL',
  'webhook_url[]',
  'webhook%5furl',
  'webhook%255Furl',
  'web\u200bhook_url',
  'model',
  'quality',
  'upscale_factor',
  'dry_run',
  'access_token',
  '__proto__',
  'constructor',
  'prompt',
  'nobody',
  '',
);
const ODD_VALUES = fc.constantFrom<unknown>(
  1,
  2,
  8,
  0,
  -1,
  1.5,
  1e21,
  '1',
  '2',
  '01',
  ' 1',
  '1.0',
  '1e0',
  '0x1',
  'TURBO',
  'turbo',
  'QUALITY',
  'DEFAULT',
  'TURBO\0',
  true,
  null,
  [1],
  [2],
  { a: 1 },
  { webhook_url: 'http://127.0.0.1:9/' },
  [{ webhookUrl: 'http://127.0.0.1:9/' }],
  'http://127.0.0.1:9/hook',
  'x'.repeat(3000),
);

const MEMBER_SLIPS: Slip<Record<string, unknown>> = fc.oneof(
  fc.tuple(NAMES, ODD_VALUES).map(([name, value]) => (from: Record<string, unknown>) => {
    return { ...from, [name]: value };
  }),
  fc.tuple(fc.nat(20), ODD_VALUES).map(([which, value]) => (from: Record<string, unknown>) => {
    const name = Object.keys(from)[which % Math.max(1, Object.keys(from).length)];
    return name === undefined ? from : { ...from, [name]: value };
  }),
  fc.nat(20).map((which) => (from: Record<string, unknown>) => {
    const names = Object.keys(from);
    const gone = names[which % Math.max(1, names.length)];
    return Object.fromEntries(Object.entries(from).filter(([name]) => name !== gone));
  }),
  fc.tuple(NAMES, ODD_VALUES).map(([name, value]) => (from: Record<string, unknown>) => {
    const inner = from['image_request'];
    return typeof inner === 'object' && inner !== null
      ? { ...from, image_request: { ...inner, [name]: value } }
      : { ...from, image_request: { [name]: value } };
  }),
  fc.integer({ min: 1, max: 400 }).map((depth) => (from: Record<string, unknown>) => {
    let deep: unknown = { webhook_url: 1 };
    for (let level = 0; level < depth; level++) deep = level % 2 === 0 ? [deep] : { a: deep };
    return { ...from, prompt: deep };
  }),
);

/** What puts one more spelling of the same into text. */
const SNIPPETS = fc.constantFrom(
  '"num_images":2,',
  '"num_images":1,',
  '"rendering_speed":"QUALITY",',
  '"num\\u005fimages":2,',
  '"\\u0077ebhook_url":"http://127.0.0.1:9/",',
  '"webhook_url":null,',
  '/* */',
  '//x\n',
  ',',
  '{',
  '}',
  ']',
  '"',
  '\\',
  '\\u0000',
  '\\ud800',
  '\0',
  '\r',
  '\n',
  '\r\n',
  '\t',
  '\x7f',
  '\xff',
  '\xfe\xff',
  '\xef\xbb\xbf',
  '\xc0\x80',
  'NaN',
  'Infinity',
  '1e999',
  '--fuzz\r\n',
  '\r\n--fuzz--\r\n',
  '\r\n--fuzz\r\nContent-Disposition: form-data; name="num_images"\r\n\r\n2',
  '\n--fuzz\nContent-Disposition: form-data; name="webhook_url"\n\nx',
  '\r\n---a-\r\nContent-Disposition: form-data; name="rendering_speed"\r\n\r\nQUALITY',
  '\r\nContent-Disposition: form-data; name="webhook_url"',
  '; filename="x"',
  "; filename*=UTF-8''x",
  "; name*=UTF-8''webhook_url",
  '; name="webhook_url"',
  'Content-Transfer-Encoding: base64\r\n',
);

/** Something put in, taken out or doubled anywhere in the bytes. */
export const TEXT_SLIPS: Slip<string> = fc.oneof(
  fc.tuple(fc.nat(), SNIPPETS).map(([where, snippet]) => (from: string) => {
    const at = where % (from.length + 1);
    return from.slice(0, at) + snippet + from.slice(at);
  }),
  fc.tuple(fc.nat(), fc.integer({ min: 1, max: 12 })).map(([where, size]) => (from: string) => {
    const at = where % (from.length + 1);
    return from.slice(0, at) + from.slice(at + size);
  }),
  fc.tuple(fc.nat(), fc.nat(255)).map(([where, byte]) => (from: string) => {
    const at = where % Math.max(1, from.length);
    return from.slice(0, at) + String.fromCharCode(byte) + from.slice(at + 1);
  }),
  fc.tuple(fc.nat(), fc.integer({ min: 1, max: 40 })).map(([where, size]) => (from: string) => {
    const at = where % (from.length + 1);
    return from.slice(0, at + size) + from.slice(at);
  }),
  fc.constant((from: string) => from.replaceAll('\r\n', '\n')),
  fc.constant((from: string) => from.slice(0, -2)),
  fc.constant((from: string) => `\r\n${from}`),
  fc.constant((from: string) => `${from}\r\n`),
  fc.constant((from: string) => `${from}\r\n\r\n`),
  fc.constant((from: string) => Buffer.from(from, 'utf16le').toString('latin1')),
);

const JSON_TYPES = [
  'application/json; charset=utf-8',
  'application/json;charset="UTF-8"',
  'application/json; charset=utf-16',
  'application/json; charset=utf-8; charset=utf-16',
  'Application/JSON',
  'application/json, multipart/form-data; boundary=fuzz',
  'application/json;',
  'application/problem+json',
  'text/plain',
  'text/json',
  'application/x-www-form-urlencoded',
  'multipart/form-data',
  'multipart/form-data; boundary=fuzz',
  '',
  'x',
  'application/json\x0b',
];
const JSON_TYPE_SLIPS: Slip<string> = fc.constantFrom(...JSON_TYPES).map((type) => () => type);

const MULTIPART_TYPE_SLIPS: Slip<string> = fc.oneof(
  fc.constant((type: string) => type.replaceAll('"', '')),
  fc.constant((type: string) => `${type}; boundary=other`),
  fc
    .constantFrom('; charset=utf-8', ';charset=ISO-8859-1', '; charset=utf-16', '; x="boundary=fuzz"', ';')
    .map((more) => (type: string) => type + more),
  fc
    .constantFrom('fuzz,x', "a'()+_,-./:=?b", 'fuzz x', '--fuzz')
    .map((boundary) => (type: string) => type.replace(/boundary="[^"]*"/, `boundary="${boundary}"`)),
  fc.constant((type: string) => type.replace('boundary=', 'Boundary=')),
  fc.constant((type: string) => type.replace('boundary="', 'boundary=" ')),
  fc.constant((type: string) => type.replace(/"$/, ' "')),
  fc.constant((type: string) => type.replace('boundary=', "boundary*=UTF-8''")),
  fc.constant((type: string) => type.replace('form-data', 'mixed')),
  fc.constant((type: string) => `application/json; ${type}`),
  fc.constant(() => 'application/json'),
  fc.constant(() => 'multipart/form-data; boundary="=?utf-8?q?fuzz?="'),
);

const PART_SLIPS: Slip<Form> = fc.oneof(
  // One part more, of a name that matters.
  fc.tuple(NAMES, ODD_VALUES, fc.nat(9), fc.boolean()).map(([name, value, where, file]) => (form: Form) => {
    const content = typeof value === 'string' ? utf8(value) : utf8(JSON.stringify(value));
    const disposition = `form-data; name="${utf8(name)}"${file ? '; filename="f"' : ''}`;
    return { ...form, parts: form.parts.toSpliced(where, 0, { disposition, lines: [], content }) };
  }),
  onePart((part) => [part, part]),
  onePart(() => []),
  ...[
    (text: string) => text.replaceAll('"', ''),
    (text: string) => `${text}; filename="b"`,
    (text: string) => `${text}; filename="a\\"b"`,
    (text: string) => `${text}; filename="a\\\\"`,
    (text: string) => `${text}; filename="a\\b; c"`,
    (text: string) => `${text}; filename=it's.png`,
    (text: string) => `${text}; filename*="UTF-8''b"`,
    (text: string) => text.replace(/^form-data; (.*)$/, 'form-data; filename="a"; $1'),
    (text: string) => text.replace('; ', ';'),
    (text: string) => text.replace('name="', 'name="x'),
    (text: string) => text.replace(/name="([^"]*)"/, 'name="$1[]"'),
    (text: string) => text.replace(/name="([^"]*)"/, 'name=$1'),
    (text: string) => text.replace('_', '.'),
    (text: string) => `${text}; filename=""`,
    (text: string) => `${text}; filename*=UTF-8''b`,
    (text: string) => `${text}; name="num_images"`,
    (text: string) => text.replace('name=', "name*=UTF-8''x; name="),
    (text: string) => text.replace('name="', 'name="\\"'),
    (text: string) => text.replace('; name', ' ;name'),
    (text: string) => text.replace('form-data', 'attachment'),
    (text: string) => text.replace('form-data', 'Form-Data'),
    (text: string) => `${text}; x="name=webhook_url"`,
    (text: string) => text.replace('name="', 'name="=?utf-8?q?x?='),
    (text: string) => text.replace(/; filename="[^"]*"/, ''),
  ].map((change) => onePart((part) => [{ ...part, disposition: change(part.disposition) }])),
  ...[
    'Content-Type: text/plain',
    'Content-Type: application/json',
    'Content-Type: text/plain; charset=utf-16',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Type: text/plain;charset=ISO-8859-1',
    'content-type: text/plain',
    'CONTENT-TYPE: text/plain',
    'Content-Type:text/plain',
    'Content-Type: application/octet-stream',
    'Content-Type: image/png; name="webhook_url"',
    'X-Content-Disposition: form-data; name="webhook_url"',
    'MIME-Version: 1.0',
    'Content-Type: multipart/mixed; boundary=in',
    'Content-Type: message/rfc822',
    'Content-Transfer-Encoding: base64',
    'Content-Transfer-Encoding: binary',
    'Content-Length: 1',
    'Content-Length: 0',
    'Content-Disposition: form-data; name="webhook_url"',
    'X-Other: y',
    ' folded',
    'Content-Encoding: gzip',
    'no colon',
  ].map((line) => onePart((part) => [{ ...part, lines: [...part.lines, line] }])),
  ...['\r\n', '\n', '--fuzz', '\r\n--fuzz', '\r\n--fuzz--', '\r\n---a-x', '2', '\0', '{"webhook_url":1}'].map(
    (more) => onePart((part) => [{ ...part, content: part.content + more }]),
  ),
  fc
    .constantFrom('fuzz-', 'FUZZ', 'fuzz ', '', 'other')
    .map((boundary) => (form: Form) => ({ ...form, boundary })),
);

function onePart(change: (part: Part) => readonly Part[]): Slip<Form> {
  return fc.nat(30).map((where) => (form: Form) => {
    const at = where % Math.max(1, form.parts.length);
    return { ...form, parts: form.parts.flatMap((part, index) => (index === at ? change(part) : [part])) };
  });
}

/** UTF-8 bytes as latin1 text. */
function utf8(text: string): string {
  return Buffer.from(text).toString('latin1');
}
