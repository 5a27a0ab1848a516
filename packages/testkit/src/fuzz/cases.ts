import type { Operation } from '@ideogate/contract';
import { OPERATIONS } from '@ideogate/ideogram';
import fc from 'fast-check';
import { bodyOf, type FuzzBody, TEXT_SLIPS } from './bodies.ts';
import { TOKEN_SLIPS } from './tokens.ts';

/**
 * What a caller does on one connection. Bytes as latin1 text, with `{{subject}}` or `{{subject:slip:number}}` where a
 * token goes (tokens grow old, cases don't), and `{{case}}` for the number of the case.
 */
export interface FuzzCase {
  readonly bytes: string;
  /** Where the bytes are cut into writes of their own, modulo their length. */
  readonly cuts: readonly number[];
  /** Only so many bytes are sent, modulo their length; all of them when absent. */
  readonly stop?: number;
  /**
   * `answers`: leave in order when every answer is there. `half-close`: end the sending side at once. `reset`: reset
   * the connection once the bytes are out. `reset-on-answer`: reset it with the first bytes of an answer. `stay`:
   * leave only when the gateway does.
   */
  readonly leave: 'answers' | 'half-close' | 'reset' | 'reset-on-answer' | 'stay';
}

/** One request before it is written down. */
interface Draft {
  readonly method: string;
  readonly target: string;
  readonly version: string;
  readonly fields: readonly string[];
  readonly body: string;
  readonly framing: Framing;
}

/** How a body is written, and the field lines that say so. */
type Framing = (body: string) => { readonly lines: readonly string[]; readonly text: string };
type Slip = fc.Arbitrary<(draft: Draft) => Draft>;

const OPEN = OPERATIONS.filter((operation) => operation.closed === null);
const LIMITED = OPEN.filter((operation) => operation.limited !== null);
const READ = OPEN.filter((operation) => operation.method === 'GET');
const SUBJECTS = ['reader', 'writer', 'writer', 'full'] as const;

const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...LIMITED) },
  { weight: 2, arbitrary: fc.constantFrom(...READ) },
  { weight: 2, arbitrary: fc.constantFrom(...OPEN) },
  { weight: 1, arbitrary: fc.constantFrom(...OPERATIONS) },
);
const ids = fc.constantFrom('abc_D-1.2', 'fake-id-1', 'a%20b', 'x', 'api_keys');

const length: Framing = (body) => ({ lines: [`Content-Length: ${body.length}`], text: body });
const none: Framing = (body) => ({ lines: [], text: body });

/** A call as an Ideogram client makes it: right operation, right body, right token, or nearly so. */
const plainDraft: fc.Arbitrary<Draft> = fc
  .tuple(operation, fc.constantFrom(...SUBJECTS), fc.boolean(), fc.nat(1000), ids, fc.nat(5))
  .chain(([op, subject, bearer, vary, id, quote]) =>
    bodyOf(op).map((body) => {
      const token = `{{${subject}::${vary}}}`;
      const path = op.path.replaceAll(/\{[^}]*\}/g, id);
      return {
        method: op.method,
        target: quote === 0 && op.dryRun ? `${path}?dry_run=true` : path,
        version: '1.1',
        fields: [
          'Host: gateway.test',
          bearer ? `Authorization: Bearer ${token}` : `Api-Key: ${token}`,
          'User-Agent: fuzz-{{case}}-{{case}}',
          ...typeLine(body),
        ],
        body: body.text,
        framing: body.text === '' ? none : length,
      };
    }),
  );

function typeLine({ contentType }: FuzzBody): readonly string[] {
  return contentType === null ? [] : [`Content-Type: ${contentType}`];
}

const OWN_PAGES = [
  '/-/health',
  '/-/ready',
  '/-/whoami',
  '/-/problems',
  '/-/problems/unknown-operation',
  '/-/problems/%C3%A9',
  '/-/problems/%ff',
  '/-/nobody',
  '/-/',
  '/.well-known/oauth-protected-resource',
  '/.well-known/x/../../models',
];
const ownPage: fc.Arbitrary<Draft> = fc
  .tuple(fc.constantFrom(...OWN_PAGES), fc.constantFrom('GET', 'GET', 'HEAD', 'POST'), fc.boolean())
  .map(([target, method, withToken]) => ({
    method,
    target,
    version: '1.1',
    fields: [
      'Host: gateway.test',
      'User-Agent: fuzz-{{case}}-{{case}}',
      ...(withToken ? ['Api-Key: {{full::1}}'] : []),
    ],
    body: '',
    framing: none,
  }));

// Targets

const TARGET_PIECES = fc.constantFrom(
  '/',
  '//',
  '.',
  '/.',
  '/..',
  '/../',
  '%2e%2e/',
  '%2F',
  '%5c',
  '\\',
  ';',
  ';a=b',
  '?',
  '??',
  '#',
  '%',
  '%00',
  '%25',
  '%zz',
  '%C3%A9',
  '%c3%28',
  '%76',
  '&',
  '=',
  '+',
  ' ',
  '\t',
  '\0',
  '\x7f',
  '\xe9',
  '"',
  '<',
  '|',
  '@',
  ':',
  '*',
  '?dry_run=true',
  '?dry_run=false',
  '?DRY_RUN=true',
  '&dry_run=true',
  '?webhook_url=http://127.0.0.1:9/',
  '?webhook%5Furl=x',
  '?webhook-url[]=x',
  '?access_token={{full::2}}',
  '?api_key={{full::2}}',
  '?a=1;token=x',
  '?num_images=4',
  '/manage/api/api_keys',
  'a'.repeat(5000),
);
const targetSlip: Slip = fc.oneof(
  fc.tuple(fc.nat(), TARGET_PIECES).map(([where, piece]) => (draft: Draft) => {
    const at = where % (draft.target.length + 1);
    return { ...draft, target: draft.target.slice(0, at) + piece + draft.target.slice(at) };
  }),
  TARGET_PIECES.map((piece) => (draft: Draft) => ({ ...draft, target: draft.target + piece })),
  fc.nat().map((where) => (draft: Draft) => {
    const at = where % Math.max(1, draft.target.length);
    const escape = `%${draft.target.charCodeAt(at).toString(16).padStart(2, '0')}`;
    return { ...draft, target: draft.target.slice(0, at) + escape + draft.target.slice(at + 1) };
  }),
  fc.nat().map((where) => (draft: Draft) => {
    const at = where % Math.max(1, draft.target.length);
    return { ...draft, target: draft.target.slice(0, at) + draft.target.slice(at).toUpperCase() };
  }),
  fc
    .constantFrom(
      'http://api.ideogram.ai',
      'http://gateway.test',
      'http://user:fake@gateway.test',
      '//x',
      '*',
      '',
    )
    .map((prefix) => (draft: Draft) => ({ ...draft, target: prefix + draft.target })),
  fc.constant((draft: Draft) => ({ ...draft, target: '*' })),
  fc
    .constantFrom(
      'GET',
      'POST',
      'PUT',
      'HEAD',
      'OPTIONS',
      'TRACE',
      'CONNECT',
      'get',
      'PRI',
      'M-SEARCH',
      'BREW',
      '',
    )
    .map((method) => (draft: Draft) => ({ ...draft, method })),
  fc
    .constantFrom('1.0', '1.2', '2.0', '0.9', '1.1 ', '11', '')
    .map((version) => (draft: Draft) => ({ ...draft, version })),
);

// Header lines

const LINES = fc.constantFrom(
  'Host: gateway.test',
  'Host: api.ideogram.ai',
  'Host:',
  'host: gateway.test:99999',
  'Host: a/b',
  'Host : gateway.test',
  'Connection: close',
  'Connection: keep-alive, Api-Key',
  'Connection: Authorization',
  'Connection: content-type',
  'Connection: user-agent, accept',
  'Connection: host',
  'Connection: ,',
  'Connection: upgrade',
  'Keep-Alive: timeout=5',
  'Proxy-Connection: keep-alive',
  'TE: trailers',
  'Trailer: Api-Key',
  'Upgrade: websocket',
  'Upgrade: h2c',
  'Upgrade:',
  'HTTP2-Settings: AAMAAABkAAQ',
  'Expect: 100-continue',
  'Expect: 100-Continue',
  'Expect: foo',
  'Expect:',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: identity',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: chunked, chunked',
  'Transfer-Encoding : chunked',
  'Transfer-Encoding: \x0bchunked',
  'Transfer-Encoding: Chunked',
  'Transfer-Encoding:',
  'Transfer_Encoding: chunked',
  'X: y\r\nTransfer-Encoding: chunked',
  'Content-Length: 0',
  'Content-Length: 1',
  'Content-Length: 5',
  'Content-Length: 05',
  'Content-Length: +5',
  'Content-Length: 5, 5',
  'Content-Length: -1',
  'Content-Length: 0x5',
  'Content-Length: 99999999999999999999',
  'Content-Length: 52428801',
  'Content-Length: 5\x0b',
  'Content-Length:',
  'Content_Length: 0',
  'Content-Type: application/json',
  'Content-Type: multipart/form-data; boundary=fuzz',
  'Content-Type:',
  'Content-Encoding: gzip',
  'Content-Encoding: identity',
  'Content-Encoding:',
  'Authorization: Bearer {{full::3}}',
  'Authorization: Basic ZmFrZTpmYWtl',
  'Authorization: DPoP {{full::3}}',
  'Authorization: Bearer',
  'Authorization:',
  'authorization: bearer  {{writer::3}}',
  'Authorization: Bearer {{full::3}} x',
  'Authorization: Bearer {{full::3}}, Bearer {{full::3}}',
  'Proxy-Authorization: Bearer {{full::3}}',
  'Api-Key: {{full::4}}',
  'api-key: {{full::4}}',
  'Api-Key:',
  'Api_Key: {{full::4}}',
  'Api.Key: {{full::4}}',
  'X-Api-Key: {{full::4}}',
  'API-KEY : {{full::4}}',
  'Cookie: session=MARKED-cookie; access_token={{full::5}}',
  'X-Forwarded-For: 10.0.0.1',
  'X-Forwarded-Host: evil.test',
  'Forwarded: for=10.0.0.1',
  'X-Real-IP: 10.0.0.1',
  'X-Original-URL: /manage/api/api_keys',
  'X-Rewrite-URL: /manage/api/api_keys',
  'X-HTTP-Method-Override: DELETE',
  'Emulator-Fault: {"status":500}',
  'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  'traceparent: x',
  'Accept: */*',
  'Accept: application/json',
  'Accept-Language: de, en',
  'Accept-Encoding: gzip, br',
  'User-Agent: other-{{case}}-{{case}}',
  'User-Agent:',
  'Range: bytes=0-1',
  'If-None-Match: "x"',
  'Max-Forwards: 0',
  'Via: 1.1 x',
  'X-A: b\0c',
  'X-A: b\rX-B: c',
  'X-A: b\nX-B: c',
  ' folded',
  '\tfolded',
  ': no name',
  'no colon',
  'X-A',
  'X A: b',
  'X-A: \xe9\xff',
  'X-A: ' + 'a'.repeat(3000),
  'X-A: ' + 'a'.repeat(17_000),
  'X-\xe9: b',
  'X-A: b ',
  '\r\n',
  '\n',
  '',
);

const lineSlip: Slip = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.tuple(fc.nat(12), LINES).map(([where, line]) => (draft: Draft) => ({
      ...draft,
      fields: draft.fields.toSpliced(where % (draft.fields.length + 1), 0, line),
    })),
  },
  {
    weight: 1,
    arbitrary: fc.nat(12).map((which) => (draft: Draft) => ({
      ...draft,
      fields: draft.fields.flatMap((line, at) =>
        at === which % draft.fields.length ? [line, line] : [line],
      ),
    })),
  },
  {
    weight: 1,
    arbitrary: fc.nat(12).map((which) => (draft: Draft) => ({
      ...draft,
      fields: draft.fields.filter((_, at) => at !== which % draft.fields.length),
    })),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.nat(12), fc.boolean()).map(([which, upper]) => (draft: Draft) => ({
      ...draft,
      fields: draft.fields.map((line, at) =>
        at === which % draft.fields.length ? recase(line, upper) : line,
      ),
    })),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.nat(12), fc.nat(), fc.nat(255)).map(([which, where, byte]) => (draft: Draft) => ({
      ...draft,
      fields: draft.fields.map((line, at) =>
        at === which % draft.fields.length ? putIn(line, where, byte) : line,
      ),
    })),
  },
);

function recase(line: string, upper: boolean): string {
  const colon = line.indexOf(':');
  const name = line.slice(0, colon);
  return (upper ? name.toUpperCase() : name.toLowerCase()) + line.slice(colon);
}

function putIn(line: string, where: number, byte: number): string {
  const at = where % (line.length + 1);
  return line.slice(0, at) + String.fromCharCode(byte) + line.slice(at);
}

const tokenSlip: Slip = fc
  .tuple(fc.constantFrom(...SUBJECTS), fc.constantFrom(...TOKEN_SLIPS), fc.nat(2000), fc.nat(3))
  .map(([subject, slip, vary, spelling]) => (draft: Draft) => ({
    ...draft,
    fields: draft.fields.map((line) => {
      if (!/^(?:Api-Key|Authorization):/.test(line)) return line;
      const token = `{{${subject}:${slip}:${vary}}}`;
      return (
        [`Api-Key: ${token}`, `Authorization: Bearer ${token}`, `authorization: BEARER ${token}`][spelling] ??
        line
      );
    }),
  }));

// Framing

interface ChunkStyle {
  readonly sizes: readonly number[];
  readonly ext: string;
  readonly end: string;
  readonly last: string;
  readonly form: (size: number) => string;
}

function chunked({ sizes, ext, end, last, form }: ChunkStyle): Framing {
  return (body) => {
    let text = '';
    for (let at = 0, turn = 0; at < body.length; turn++) {
      const piece = body.slice(at, at + (sizes[turn % sizes.length] ?? 1));
      text += `${form(piece.length)}${ext}${end}${piece}${end}`;
      at += piece.length;
    }
    return { lines: ['Transfer-Encoding: chunked'], text: text + last };
  };
}

const goodChunks: fc.Arbitrary<Framing> = fc
  .tuple(
    fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 4 }),
    fc.constantFrom('', '', ';a=b', '; a="b"'),
    fc.constantFrom('0\r\n\r\n', '0\r\n\r\n', '000\r\n\r\n', '0;x\r\n\r\n', '0\r\nX-Trailer: y\r\n\r\n'),
    fc.constantFrom(
      (size: number) => size.toString(16),
      (size: number) => `0${size.toString(16).toUpperCase()}`,
    ),
  )
  .map(([sizes, ext, last, form]) => chunked({ sizes, ext, end: '\r\n', last, form }));

const oddChunks: fc.Arbitrary<Framing> = fc
  .tuple(
    fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 4 }),
    fc.constantFrom('', '', '', ' ', ';', ';a=\n', ';a=\r', ';' + 'a'.repeat(20_000), '\0'),
    fc.constantFrom('\r\n', '\r\n', '\r\n', '\n', '\r', ''),
    fc.constantFrom(
      '0\r\n\r\n',
      '',
      '0\r\n',
      '0',
      '0\n\n',
      '-0\r\n\r\n',
      'g\r\n',
      '0\r\nApi-Key: {{full::6}}\r\n\r\n',
      '0\r\nHost: evil.test\r\nContent-Length: 5\r\n\r\n',
      '0\r\nTransfer-Encoding: chunked\r\n\r\n',
      '0\r\nbad\r\n\r\n',
      'ffffffffffffffffff\r\n',
      '0\r\n\r\nGET /models HTTP/1.1\r\nHost: gateway.test\r\nUser-Agent: fuzz-{{case}}-{{case}}\r\nApi-Key: {{full::6}}\r\n\r\n',
    ),
    fc.constantFrom(
      (size: number) => size.toString(16),
      (size: number) => size.toString(16),
      (size: number) => `0x${size.toString(16)}`,
      (size: number) => ` ${size.toString(16)}`,
      (size: number) => (size + 1).toString(16),
      (size: number) => Math.max(0, size - 1).toString(16),
      (size: number) => `+${size}`,
      () => '',
    ),
  )
  .map(([sizes, ext, end, last, form]) => chunked({ sizes, ext, end, last, form }));

const framingSlip: Slip = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .oneof({ weight: 3, arbitrary: goodChunks }, { weight: 2, arbitrary: oddChunks })
      .map((framing) => (draft: Draft) => ({ ...draft, framing })),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(-1000, -20, -2, -1, 1, 2, 20, 1000).map((by) => (draft: Draft) => ({
      ...draft,
      framing: (body: string) => ({
        lines: [`Content-Length: ${Math.max(0, body.length + by)}`],
        text: body,
      }),
    })),
  },
  { weight: 1, arbitrary: fc.constant((draft: Draft) => ({ ...draft, framing: none })) },
  {
    weight: 1,
    arbitrary: goodChunks.map((chunks) => (draft: Draft) => ({
      ...draft,
      framing: (body: string) => {
        const { lines, text } = chunks(body);
        return { lines: [...lines, `Content-Length: ${body.length}`], text };
      },
    })),
  },
);

// Whole requests, and what a caller does with them

const slip: Slip = fc.oneof(
  { weight: 3, arbitrary: targetSlip },
  { weight: 5, arbitrary: lineSlip },
  { weight: 3, arbitrary: framingSlip },
  { weight: 3, arbitrary: tokenSlip },
);

const draft: fc.Arbitrary<Draft> = fc.oneof(
  { weight: 12, arbitrary: plainDraft },
  { weight: 1, arbitrary: ownPage },
);

/** In this share of cases, else null. */
function seldom<T>(arbitrary: fc.Arbitrary<T>, share: number): fc.Arbitrary<T | null> {
  const weight = Math.round(share * 100);
  return fc.oneof({ weight, arbitrary }, { weight: 100 - weight, arbitrary: fc.constant(null) });
}

const requestText: fc.Arbitrary<string> = fc
  .tuple(
    draft,
    fc.oneof(
      { weight: 5, arbitrary: fc.constant([]) },
      { weight: 6, arbitrary: fc.array(slip, { minLength: 1, maxLength: 1 }) },
      { weight: 2, arbitrary: fc.array(slip, { minLength: 2, maxLength: 3 }) },
    ),
    seldom(TEXT_SLIPS, 0.07),
  )
  .map(([first, slips, anywhere]) => {
    const last = slips.reduce((changed, change) => change(changed), first);
    const text = written(last);
    return anywhere === null ? text : anywhere(text);
  });

function written({ method, target, version, fields, body, framing }: Draft): string {
  const { lines, text } = framing(body);
  return `${[`${method} ${target} HTTP/${version}`, ...fields, ...lines].join('\r\n')}\r\n\r\n${text}`;
}

const GARBAGE = fc.oneof(
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
  fc.constantFrom(
    '\r\n',
    '\r\n\r\n',
    '\n',
    'GET',
    'GET ',
    'GET /models',
    'GET /models HTTP/1.1',
    'GET /models HTTP/1.1\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    'GET /models\r\n\r\n',
    'GET http://x/ HTTP/1.1\r\n\r\n',
    'A'.repeat(70_000),
    'GET / HTTP/1.1\r\n' + 'a:\r\n'.repeat(3000) + '\r\n',
    '\0\0\0\0',
  ),
);

/** Sixty requests at once from one address that may have fewer. */
const flood = fc
  .constantFrom(
    'GET /models HTTP/1.1\r\nHost: gateway.test\r\nUser-Agent: fuzz-{{case}}-{{case}}\r\n\r\n',
    'GET /-/problems HTTP/1.1\r\nHost: gateway.test\r\n\r\n',
  )
  .map((request) => request.repeat(60));

const connection: fc.Arbitrary<string> = fc.oneof(
  { weight: 240, arbitrary: requestText },
  { weight: 48, arbitrary: fc.array(requestText, { minLength: 2, maxLength: 4 }).map((all) => all.join('')) },
  { weight: 16, arbitrary: GARBAGE },
  { weight: 12, arbitrary: fc.tuple(requestText, GARBAGE).map(([text, more]) => text + more) },
  { weight: 1, arbitrary: flood },
);

const cuts = fc.oneof(
  { weight: 12, arbitrary: fc.constant([]) },
  { weight: 6, arbitrary: fc.array(fc.nat(100_000), { minLength: 1, maxLength: 6 }) },
  // Every byte on its own, somewhere.
  {
    weight: 1,
    arbitrary: fc.nat(100_000).map((from) => Array.from({ length: 60 }, (_, at) => from + at)),
  },
);

export const fuzzCase: fc.Arbitrary<FuzzCase> = fc
  .tuple(
    connection,
    cuts,
    seldom(fc.nat(100_000), 0.08),
    fc.oneof(
      { weight: 70, arbitrary: fc.constant('answers' as const) },
      { weight: 14, arbitrary: fc.constant('half-close' as const) },
      { weight: 9, arbitrary: fc.constant('reset' as const) },
      { weight: 6, arbitrary: fc.constant('reset-on-answer' as const) },
      { weight: 1, arbitrary: fc.constant('stay' as const) },
    ),
  )
  .map(([bytes, where, stop, leave]) => ({ bytes, cuts: where, ...(stop === null ? {} : { stop }), leave }));
