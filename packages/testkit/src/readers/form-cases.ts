import type { Operation } from '@ideogate/contract';
import { OPERATIONS } from '@ideogate/ideogram';
import { type Random, randomOf } from '../faults/random.ts';
import type { Frame } from './programs/frames.ts';
import { RECORDED_FORMS } from './recorded-forms.ts';

/** A form, and the operation it goes to. */
export interface FormCase {
  readonly operation: Operation;
  readonly frame: Frame;
}

interface Part {
  readonly lines: readonly string[];
  readonly content: string;
}

interface Form {
  readonly type: string;
  readonly boundary: string;
  readonly parts: readonly Part[];
  readonly before: string;
  readonly after: string;
}

const TARGETS = OPERATIONS.filter(
  ({ contentTypes, closed, fields }) =>
    contentTypes.includes('multipart/form-data') && closed === null && fields !== null,
);
const RECORDED_TO = TARGETS.find(({ path }) => path === '/v1/ideogram-v3/remix') ?? OPERATIONS[0];

/** Forms without end, the same for a seed: some as clients write them, most with a slip or a few. */
export function* formCases(seed: number): Generator<FormCase, undefined> {
  const random = randomOf(seed);
  for (;;) yield formCase(random);
}

function formCase(random: Random): FormCase {
  if (RECORDED_TO !== undefined && random.number() < 0.25) {
    const { type, body } = some(random, RECORDED_FORMS);
    return slipped(random, RECORDED_TO, type, body);
  }
  const operation = some(random, TARGETS);
  let form = formOf(random, operation);
  const slips = random.number() < 0.3 ? 0 : random.between(1, 3);
  for (let slip = 0; slip < slips; slip++) form = some(random, FORM_SLIPS)(form, random);
  return slipped(random, operation, form.type, written(form));
}

/** A quarter has its bytes changed, in its type, its heads, or anywhere. */
function slipped(random: Random, operation: Operation, type: string, body: string): FormCase {
  let [changedType, changedBody] = [type, body];
  if (random.number() < 0.4) {
    for (let slip = random.between(1, 2); slip > 0; slip--) {
      const where = random.number();
      if (where < 0.1) changedType = changed(random, changedType, 0, changedType.length);
      else if (where < 0.8) changedBody = changed(random, changedBody, ...headIn(random, changedBody));
      else changedBody = changed(random, changedBody, 0, changedBody.length);
    }
  }
  return { operation, frame: { type: changedType, body: Buffer.from(changedBody, 'latin1') } };
}

function written({ boundary, parts, before, after }: Form): string {
  const all = parts.map(
    ({ lines, content }) => `--${boundary}\r\n${lines.join('\r\n')}\r\n\r\n${content}\r\n`,
  );
  return `${before}${all.join('')}--${boundary}--${after}`;
}

const BOUNDARIES = [
  'b0',
  '-',
  '--a--a',
  '----formdata-undici-012345678901',
  '----WebKitFormBoundary7MA4YWxkTrZu0gW',
  '0a1b2c3d-0000-4000-8000-000000000000',
  'dart-http-boundary-a+b.c_dart-http-boundary',
  'x'.repeat(70),
] as const;
const QUOTED_BOUNDARIES = [
  '===============7330845974216740156==',
  '----=_Part_0_12.34',
  'boundary_.oOo._/fake//qt+boundary/in/base64/==',
] as const;
const CHARSETS = ['utf-8', 'UTF-8', '"utf-8"', 'ISO-8859-1', 'us-ascii', 'windows-1252'] as const;

/** A form with the fields that its operation must have and some others, in the manner of some client. */
function formOf(random: Random, operation: Operation): Form {
  const quoted = random.number() < 0.2;
  const boundary = quoted ? random.of(QUOTED_BOUNDARIES) : random.of(BOUNDARIES);
  const spelled = quoted || random.number() < 0.3 ? `"${boundary}"` : boundary;
  const semicolon = random.of(['; ', ';']);
  const charset = random.number() < 0.15 ? `${semicolon}charset=${random.of(CHARSETS)}` : '';
  const parameter = `${semicolon}boundary=${spelled}`;
  const style = styleOf(random);
  const parts: Part[] = [];
  for (const field of operation.fields ?? []) {
    const bound = operation.limited?.find((one) => one.field === field.name);
    if (field.name === 'webhook_url' || (bound !== undefined && 'forbidden' in bound)) continue;
    if (field.required !== true && bound === undefined && random.number() < 0.7) continue;
    const times = field.type.endsWith('[]') ? random.between(1, 2) : 1;
    for (let time = 0; time < times; time++) {
      const file = field.type.startsWith('file');
      const text =
        bound !== undefined && 'oneOf' in bound
          ? (bound.oneOf[random.between(0, bound.oneOf.length - 1)] ?? '')
          : valueOf(random, field);
      parts.push(
        partOf(random, style, field.name, text, file, field.type === 'object' || field.jsonPart === true),
      );
    }
  }
  return {
    type: `multipart/form-data${random.number() < 0.5 ? charset + parameter : parameter + charset}`,
    boundary,
    parts,
    before: random.of(['', '', '', '\r\n']),
    after: random.of(['\r\n', '\r\n', '\r\n\r\n', '']),
  };
}

function valueOf(random: Random, field: NonNullable<Operation['fields']>[number]): string {
  if (field.enum !== undefined) return some(random, field.enum);
  switch (field.type) {
    case 'integer':
    case 'number':
      return String(field.min ?? 1);
    case 'boolean':
      return random.of(['true', 'false']);
    case 'object':
    case 'object[]':
      return random.of(['{}', '{"prompt":"a"}', '{"num_images":1}', '[]']);
    case 'file':
    case 'file[]':
      return random.of([
        '\x89PNG\r\n\x1a\n\0\xff',
        '',
        '\r\n',
        '--',
        'text',
        '\r\n--\r\n\r\n',
        '\xef\xbb\xbf{}',
      ]);
    default:
      return random.of([
        'a lighthouse',
        Buffer.from('zwei Kätzchen 猫').toString('latin1'),
        '',
        '\r\n',
        '\n',
        '\r',
        ' a ',
        'a\r\n--b\r\n\r\nc',
        'Content-Disposition: form-data; name="num_images"\r\n\r\n8',
        '"quoted"',
        'a=b&num_images=8',
        '\0',
        '8\n',
        '{"num_images":8}',
      ]);
  }
}

type Style = Readonly<Record<'lower' | 'bare' | 'typed' | 'length' | 'encoding' | 'typeFirst', boolean>> & {
  readonly charset: string;
};

function styleOf(random: Random): Style {
  const is = (share: number) => random.number() < share;
  return {
    lower: is(0.1),
    bare: is(0.15),
    typed: is(0.4),
    length: is(0.2),
    encoding: is(0.2),
    typeFirst: is(0.2),
    charset: random.of(['', ...CHARSETS.map((charset) => `; charset=${charset}`), ';charset=UTF-8']),
  };
}

const FILE_NAMES = [
  'a.png',
  'blob',
  'a b.png',
  'a%22b.png',
  "it's.png",
  'a;b.png',
  'a; b; c',
  'a=b',
  'a\\b.png',
  'C:\\a\\b.png',
  'a\\\\b',
  'a\\"b\\".png',
  '\\"',
  '=?utf-8?B?w7wucG5n?=',
  'a,b',
  '{a}',
  '%',
  'a.png ',
  '照片 ü.png',
  '\xfc',
  "x''y",
  'filename',
  '; filename*',
  '--b0',
  'a/',
  '..',
  '.a',
  '&#47;',
  'a&b;c',
  '\\";a',
  '\u200b',
  '"a;"',
  '照',
  ';',
  '/',
] as const;
const BARE_FILE_NAMES = ['a.png', "it's.png", '%22', "a''b", '*', '{', '~`|^'] as const;

function partOf(
  random: Random,
  style: Style,
  name: string,
  content: string,
  file: boolean,
  json: boolean,
): Part {
  const field = (spelled: string) => (style.lower ? spelled.toLowerCase() : spelled);
  const parameters = [style.bare ? `name=${name}` : `name="${name}"`];
  if (file) {
    const known = random.number();
    const filename = Buffer.from(random.of(FILE_NAMES)).toString('latin1');
    const plain = style.bare && random.number() < 0.5 ? random.of(BARE_FILE_NAMES) : `"${filename}"`;
    const extended = random.of(["utf-8''a%20b.png", "UTF-8'en'%C3%BC", "iso-8859-1''a", '"UTF-8\'\'%C3%BC"']);
    if (known < 0.9) parameters.push(`filename=${plain}`);
    if (known > 0.8) parameters.push(`filename*=${extended}`);
    if (random.number() < 0.1)
      parameters.push(random.of(['size=3', 'read-date="Mon, 30 Nov 2026 15:35:51 +0000"']));
    if (random.number() < 0.1) parameters.reverse();
  }
  const disposition = `${field('Content-Disposition')}: form-data; ${parameters.join('; ')}`;
  const lines = [disposition];
  const type = file
    ? random.of(['image/png', 'application/octet-stream', 'text/plain', 'video/mp4; codecs="avc1"'])
    : `${json && random.number() < 0.5 ? 'application/json' : 'text/plain'}${style.charset}`;
  if (style.typed || (file && random.number() < 0.7)) {
    const line = `${field('Content-Type')}: ${type}`;
    if (style.typeFirst) lines.unshift(line);
    else lines.push(line);
  }
  if (style.length) lines.push(`${field('Content-Length')}: ${content.length}`);
  if (style.encoding)
    lines.push(`${field('Content-Transfer-Encoding')}: ${random.of(['7bit', '8bit', 'binary', 'BINARY'])}`);
  return { lines, content };
}

type FormSlip = (form: Form, random: Random) => Form;

const NAMES = [
  'num_images',
  'rendering_speed',
  'webhook_url',
  'webhookUrl',
  'Webhook-Url',
  'num_images[]',
  'num.images',
  'num images',
  'image_request',
  'NUM_IMAGES',
  'prompt',
  'other',
  'style_codes',
  '',
  '_charset_',
  'constructor',
] as const;
const VALUES = ['8', '1', 'QUALITY', 'TURBO', 'https://elsewhere.example/', '{"webhook_url":1}', ''] as const;

const LINES = [
  'X-Content-Disposition: form-data; name="webhook_url"',
  'Content-Disposition: form-data; name="num_images"',
  'content-disposition: form-data; name=num_images',
  'Content-Type: text/plain',
  'Content-Type: application/octet-stream',
  'Content-Type: application/json',
  'Content-Type: multipart/mixed; boundary=in',
  'Content-Type: image/png; name="webhook_url"',
  'Content-Transfer-Encoding: base64',
  'Content-Transfer-Encoding: quoted-printable',
  'Content-Length: 0',
  'Content-Length: 1',
  'MIME-Version: 1.0',
  ' name="webhook_url"',
  'name="webhook_url"',
  '',
] as const;
const PARAMETERS = [
  '; name="webhook_url"',
  '; name=num_images',
  "; name*=utf-8''num_images",
  '; name*0="num_images"',
  '; filename="a"',
  '; filename=a',
  '; filename=""',
  "; filename*=utf-8''a",
  '; filename="; name=num_images; x="',
  '; filename="a\\"; name=\\"num_images"',
  '; filename="a\\\\"',
  "; filename='a; name=num_images'",
  '; size=1',
  ';',
  ' ',
  '; x=y',
  '; x="; name=num_images"',
] as const;

const FORM_SLIPS: readonly FormSlip[] = [
  (form, random) => {
    const at = random.between(0, form.parts.length);
    const name = random.of(NAMES);
    const content = random.of(VALUES);
    const part = partOf(random, styleOf(random), name, content, random.number() < 0.3, false);
    return { ...form, parts: form.parts.toSpliced(at, 0, part) };
  },
  (form, random) => onePart(form, random, (part) => [part, part]),
  (form, random) =>
    onePart(form, random, (part) => {
      const at = random.between(0, part.lines.length);
      return [{ ...part, lines: part.lines.toSpliced(at, 0, random.of(LINES)) }];
    }),
  (form, random) => {
    const more = random.of(PARAMETERS);
    return onePart(form, random, (part) => [
      { ...part, lines: part.lines.map((line) => line + (/disp/i.test(line) ? more : '')) },
    ]);
  },
  (form, random) => {
    const more = random.of(PARAMETERS);
    return onePart(form, random, (part) => [
      { ...part, lines: part.lines.map((line) => line.replace('form-data', `form-data${more}`)) },
    ]);
  },
  (form, random) => {
    const content = random.of([
      '\r\n',
      '\n--b0\r\n',
      `\r\n--${form.boundary} \r\n`,
      '\r\n--',
      '\xff',
      '\xef\xbb\xbf',
      '\xc3',
    ]);
    return onePart(form, random, (part) => [
      { ...part, content: random.number() < 0.5 ? part.content + content : content + part.content },
    ]);
  },
  (form, random) => ({
    ...form,
    type:
      form.type +
      random.of([';', '; boundary=x', '; x=y', ', boundary=x', '; charset=utf-16', '; x="; boundary=x"']),
  }),
  (form, random) => {
    const boundary = form.boundary + random.of([',x', "'", ' ', ';x', '/', '?', '=', ':', '(']);
    return { ...form, boundary, type: `multipart/form-data; boundary="${boundary}"` };
  },
  (form, random) => ({ ...form, before: random.of(['x\r\n', '\n', '\r\n\r\n', `--${form.boundary}x\r\n`]) }),
  (form, random) => ({
    ...form,
    after: random.of(['\r\n\r\n\r\n', 'x', ' \r\n', '\n', `\r\n--${form.boundary}\r\n`, '\r']),
  }),
];

function onePart(form: Form, random: Random, change: (part: Part) => readonly Part[]): Form {
  const at = random.between(0, Math.max(0, form.parts.length - 1));
  return { ...form, parts: form.parts.flatMap((part, index) => (index === at ? change(part) : [part])) };
}

const SIGNS = [
  '"',
  '\\',
  "'",
  ';',
  ',',
  '=',
  ' ',
  '\t',
  ':',
  '*',
  '%',
  '?',
  '[',
  ']',
  '.',
  '-',
  '\r',
  '\n',
  '\r\n',
  '\0',
  '\xff',
  '\x80',
  '\x0b',
  '\x7f',
  'name=',
  '%22',
  '\\"',
  '/',
  '(',
  '<',
  'a',
  'N',
  '0',
] as const;

function changed(random: Random, text: string, start: number, end: number): string {
  const at = random.between(start, Math.max(start, end));
  switch (random.between(0, 3)) {
    case 0:
      return text.slice(0, at) + random.of(SIGNS) + text.slice(at);
    case 1:
      return text.slice(0, at) + text.slice(at + random.between(1, 3));
    case 2:
      return text.slice(0, at) + random.of(SIGNS) + text.slice(at + 1);
    default:
      return text.slice(0, at + random.between(1, 12)) + text.slice(at);
  }
}

/** Where the head of some part stands. */
function headIn(random: Random, body: string): [start: number, end: number] {
  const heads = [...body.matchAll(/content-disposition:[^\r]*/gi)];
  const head = heads[random.between(0, Math.max(0, heads.length - 1))];
  return head === undefined ? [0, body.length] : [head.index, head.index + head[0].length];
}

function some<T>(random: Random, choices: readonly T[]): T {
  const chosen = choices[random.between(0, choices.length - 1)];
  if (chosen === undefined) throw new Error('nothing to choose from');
  return chosen;
}
