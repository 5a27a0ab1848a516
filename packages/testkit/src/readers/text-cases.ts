import type { Field, Operation } from '@ideogate/contract';
import { OPERATIONS } from '@ideogate/ideogram';
import { checkQuery, openBody } from '@ideogate/request-body';
import * as fc from 'fast-check';
import { SAMPLE_LIMITS } from '../sample-operations.ts';

/** A JSON body or a query that passed, and for whom: what passes under bounds passes for every caller. */
export interface PassedText {
  readonly of: 'json' | 'query';
  readonly operation: Operation;
  readonly text: Buffer;
  readonly limited: boolean;
}

const OPTIONS = { ...SAMPLE_LIMITS, watch: [], quote: false };

/** Other names than the declared ones: hostile, strange, or those of nobody. */
const NAMES = [
  'webhook_url',
  'webhookUrl',
  'WEBHOOK_URL',
  'webhook-url',
  'webhook_url[]',
  'ｗebhook_url',
  'webhook%5Furl',
  '__proto__',
  'constructor',
  'toString',
  'length',
  '',
  ' ',
  '0',
  '-1',
  '$where',
  'a.b',
  'a[b]',
  'a b',
  'a\u0000b',
  'ſeed',
  'num_imageſ',
  'Kelvin',
  'kelvin',
  'ＮＵＭ_images',
  'ｎum_images',
  'naïve',
  'nai\u0308ve',
  '\u{1f600}',
  '\u202eevil',
  'dry_run',
  'dryRun',
  'nobody',
  'Nobody',
  '_',
  'x-y',
  '@type',
  '$type',
  '#text',
  '//',
  '\ufeffprompt',
  'prompt\u200b',
];
/** Ways in which a declared name is written. */
const SPELLINGS: readonly ((name: string) => string)[] = [
  (name) => name,
  (name) => name,
  (name) => name,
  (name) => name.toUpperCase(),
  (name) => name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
  (name) => name.replaceAll('_', '-'),
  (name) => name.replaceAll('_', '.'),
  (name) => `${name}[]`,
  (name) => `${name} `,
  (name) => `${name}\u0000`,
  (name) => name.replaceAll('s', 'ſ').replaceAll('k', '\u212a'),
];
const SCALARS = [
  '1',
  '0',
  '-1',
  '2',
  '8',
  '1.0',
  '1e0',
  '-0',
  '0.5',
  '0.1',
  '1E2',
  '9007199254740991',
  '9007199254740992',
  '9007199254740993',
  '18446744073709551617',
  '4294967297',
  '1e400',
  '1e-400',
  '123456789.123456789',
  '01',
  '+1',
  '.5',
  'NaN',
  'Infinity',
  'true',
  'false',
  'null',
  'True',
  'nil',
  'undefined',
  '"TURBO"',
  '"FLASH"',
  '"QUALITY"',
  '"turbo"',
  '"quality"',
  '"8"',
  '""',
  '"a cat"',
  "'a'",
  '"\\u0000"',
  '"\\ud800"',
  '"\\ud83d\\ude00"',
  '"\u{1f600}"',
  '"\\/"',
  '"\\x41"',
  '"\u2028"',
  '"\t"',
  '"\\t"',
  '"\\u0041"',
  '"</script>"',
  '"a\\u0000b"',
  '"nai\u0308ve"',
  '"\\"num_images\\":8"',
  '"https://evil.example/"',
  '"\uffff\u{10ffff}"',
];
const SPACES = ['', '', '', '', ' ', '\n', '\r\n', '\t', '\u00a0', '\ufeff', '/**/', '\u0000', '\u000b'];
/** What is put into a text, or put in the place of a piece of it. */
const SLIPS = [
  '"',
  '\\',
  ',',
  ',,',
  ':',
  '{',
  '}',
  '[',
  ']',
  '}{',
  '\u0000',
  '\ufeff',
  '//',
  '#',
  '\u00ff',
  '1',
  '"a":1,',
  '[[[[',
];

const space = fc.constantFrom(...SPACES);
const scalar = fc.constantFrom(...SCALARS);

function nameOf(fields: readonly Field[]): fc.Arbitrary<string> {
  const declared = fields.length === 0 ? ['prompt'] : fields.map(({ name }) => name);
  return fc.oneof(
    {
      weight: 6,
      arbitrary: fc
        .tuple(fc.constantFrom(...declared), fc.constantFrom(...SPELLINGS))
        .map(([name, spell]) => spell(name)),
    },
    { weight: 2, arbitrary: fc.constantFrom(...NAMES) },
  );
}

/** A name as a JSON string, some of its signs escaped. */
function quoted(name: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.tuple(name, fc.nat(9)).map(([text, escape]) => {
    const plain = JSON.stringify(text);
    if (escape > 1 || text === '') return plain;
    const code = text.charCodeAt(0).toString(16).padStart(4, '0');
    return `"\\u${escape === 0 ? code : code.toUpperCase()}${plain.slice(1 + JSON.stringify(text.slice(0, 1)).length - 2)}`;
  });
}

function valueOf(field: Field | undefined, depth: number): fc.Arbitrary<string> {
  const fitting = fc.constantFrom(...fittingValues(field));
  const nested = depth > 2 ? scalar : fc.oneof(objectOf(field?.fields ?? [], depth + 1), listOf(depth + 1));
  return fc.oneof(
    { weight: 8, arbitrary: fitting },
    { weight: 2, arbitrary: scalar },
    { weight: 1, arbitrary: nested },
  );
}

function fittingValues(field: Field | undefined): readonly string[] {
  if (field?.enum !== undefined) return field.enum.map((word) => JSON.stringify(word));
  switch (field?.type) {
    case 'integer':
    case 'number':
      return ['1', '1', '1', '2', '0.5'];
    case 'boolean':
      return ['true', 'false'];
    case 'string':
      return ['"a cat"', '"\u732b"', 'null'];
    case 'object':
      return ['{}', '{"name":"EMBER"}', '{"Name":"EMBER","weights":[0.5,1]}'];
    default:
      return ['1', '"a"', 'null', '[]', '["a","b"]', '{}', '[{"a":1},{"a":2}]'];
  }
}

function objectOf(fields: readonly Field[], depth: number): fc.Arbitrary<string> {
  const member = nameOf(fields).chain((name) =>
    fc
      .tuple(
        quoted(fc.constant(name)),
        space,
        valueOf(
          fields.find((field) => field.name === name),
          depth,
        ),
        space,
      )
      .map((pieces) => `${pieces[1]}${pieces[0]}:${pieces[3]}${pieces[2]}`),
  );
  return fc.array(member, { maxLength: 5 }).map((members) => `{${members.join(',')}}`);
}

function listOf(depth: number): fc.Arbitrary<string> {
  return fc.array(valueOf(undefined, depth), { maxLength: 4 }).map((items) => `[${items.join(',')}]`);
}

/** What keeps an operation's bounds, so that more under bounds passes. */
function keptBounds(operation: Operation): string {
  const members: Record<string, unknown> = {};
  for (const bound of operation.limited ?? []) {
    const value = 'max' in bound ? bound.max : 'oneOf' in bound ? bound.oneOf[0] : undefined;
    const [outer = '', inner] = bound.field.split('.');
    if (value === undefined) continue;
    members[outer] = inner === undefined ? value : { ...(members[outer] as object), [inner]: value }; // as: bounds of one object
  }
  return JSON.stringify(members).slice(1, -1);
}

function jsonOf(operation: Operation): fc.Arbitrary<Buffer> {
  const kept = keptBounds(operation);
  return fc
    .tuple(
      objectOf(operation.fields ?? [], 0),
      fc.nat(3),
      space,
      fc.option(fc.tuple(fc.nat(), fc.constantFrom(...SLIPS)), { freq: 2 }),
    )
    .map(([object, keeps, around, slip]) => {
      const joined =
        keeps > 0 && kept !== '' ? `{${kept}${object === '{}' ? '' : ','}${object.slice(1)}` : object;
      const text = `${around}${joined}${around}`;
      if (slip === null) return Buffer.from(text);
      const at = slip[0] % (text.length + 1);
      return Buffer.from(text.slice(0, at) + slip[1] + text.slice(at + (slip[0] % 2)));
    });
}

const QUERY_SIGNS = [
  '',
  '',
  '',
  ';',
  '&',
  '=',
  '%26',
  '%3B',
  '%3D',
  '%00',
  '+',
  '%20',
  '.',
  '[]',
  '[a]',
  '%5B%5D',
  '%',
  '%2',
  '%ff',
  '%C3%A9',
  '%u0041',
  '#',
  '"',
];
const QUERY_VALUES = [
  '',
  '1',
  'true',
  'a',
  'a+b',
  'a%20b',
  'abc==',
  'abc%3D%3D',
  'a%26b',
  'a%3Bb',
  'a%26limit%3D8',
  'x%26webhook_url%3Dy',
  'x%3Bdry_run%3Dtrue',
  'a%2526dry_run%253Dtrue',
  '%F0%9F%98%80',
  'nai%CC%88ve',
  '01',
  '+1',
  '%2B1',
  '[1]',
  '{}',
  'a%00b',
  'a%0D%0Ab',
  'a,b',
  '%25',
  '%2525',
  '\u00e9',
];

function queryOf(operation: Operation): fc.Arbitrary<Buffer> {
  const name = fc.oneof(
    { weight: 6, arbitrary: nameOf(operation.query) },
    { weight: 2, arbitrary: fc.constantFrom('a', 'A', 'page', 'x-y', '_', '0', 'limit', 'dry_run') },
  );
  const written = fc
    .tuple(name, fc.nat(5))
    .map(([text, how]) => (how < 4 ? text.replaceAll(' ', '+') : encodeURIComponent(text)));
  const sign = fc.constantFrom(...QUERY_SIGNS);
  const pair = fc
    .tuple(
      written,
      fc.constantFrom('=', '=', '=', '=', '', '%3D'),
      fc.constantFrom(...QUERY_VALUES),
      sign,
      fc.nat(9),
    )
    .map(([left, equals, right, slip, where]) =>
      where === 0
        ? `${left}${slip}${equals}${right}`
        : where === 1
          ? `${left}${equals}${right}${slip}`
          : `${left}${equals}${right}`,
    );
  return fc
    .tuple(fc.array(pair, { minLength: 1, maxLength: 4 }), fc.constantFrom('&', '&', '&', '&', '&&', ';'))
    .map(([pairs, between]) => Buffer.from(pairs.join(between)));
}

/** Texts of a seed that passed, some `count` of each kind, and how many were made for them. */
export function passedTexts(
  seed: number,
  count: number,
): { readonly passed: readonly PassedText[]; readonly made: number } {
  const passed: PassedText[] = [];
  let made = 0;
  const kinds = [
    { of: 'json', operations: OPERATIONS.filter((one) => one.contentTypes.includes('application/json')) },
    { of: 'query', operations: OPERATIONS.filter((one) => one.closed === null) },
  ] as const;
  for (const { of, operations } of kinds) {
    for (let round = 0, some = 0; some < count; round++) {
      const operation = operations[round % operations.length];
      if (operation === undefined) throw new Error('no operation');
      const texts = of === 'json' ? jsonOf(operation) : queryOf(operation);
      for (const text of fc.sample(texts, { seed: seed + round, numRuns: 20 })) {
        made++;
        if (!passes(of, operation, 'full', text)) continue;
        const limited = operation.limited !== null && passes(of, operation, 'limited', text);
        passed.push({ of, operation, text, limited });
        if (++some >= count) break;
      }
    }
  }
  return { passed, made };
}

function passes(
  of: PassedText['of'],
  operation: Operation,
  level: 'full' | 'limited',
  text: Buffer,
): boolean {
  // What a request line can hold (RFC 3986 section 3.4), or nearly.
  if (of === 'query') {
    return (
      /^[!$%&'()*+,\-./0-9:;=?@A-Z[\]_a-z~]*$/.test(text.toString('latin1')) &&
      checkQuery(operation, level, text.toString()) === null
    );
  }
  const reader = openBody(operation, level, 'application/json', undefined, OPTIONS);
  return !('problem' in reader) && reader.push(text) === null && reader.end() === null;
}
