/**
 * The oracle's own reading of HTTP/1.1 (RFC 9112), apart from Node's parser: strict, and in bytes (latin1 text, one
 * character a byte). What it calls broken may still be refused in more than one way, but never forwarded.
 */
export interface ReadRequest {
  readonly method: string;
  readonly target: string;
  readonly version: string;
  /** Name in lower case, value without the blanks around it. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly body: string;
  /** Size of the whole message in bytes. */
  readonly end: number;
}

export interface ReadAnswer {
  readonly status: number;
  readonly fields: ReadonlyMap<string, string>;
  readonly body: string;
  readonly end: number;
}

/** RFC 9112 section 3 lets a reader take more than one space between the words. */
const REQUEST_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) +([\x21-\x7e]+)(?: +HTTP\/(\d\.\d))?$/;
const FIELD_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*$/;
const CHUNK_LINE = /^([0-9A-Fa-f]{1,8})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?$/;

/** All the requests at the front of a connection's bytes, and what is left behind the last one that can be read. */
export function readRequests(bytes: string): {
  readonly requests: readonly ReadRequest[];
  /** `broken`: the rest is no request. `partial`: it may become one; empty lines are the least of it. */
  readonly rest: 'none' | 'partial' | 'broken';
  /** Method and target of the rest, as far as they can be told. */
  readonly restLine: readonly [method: string, target: string];
} {
  const requests: ReadRequest[] = [];
  let at = 0;
  for (;;) {
    // RFC 9112 section 2.2: empty lines before a request line are passed over, and a line may end in LF alone.
    const from = at;
    while (bytes[at] === '\r' || bytes[at] === '\n') at++;
    if (at === bytes.length) {
      return { requests, rest: at === from ? 'none' : 'partial', restLine: ['', ''] };
    }
    const read = readRequest(bytes, at);
    if (typeof read === 'string') {
      const [method = '', target = ''] = bytes.slice(at, at + 10_000).split(/[ \r\n]/);
      return { requests, rest: read, restLine: [method, target] };
    }
    requests.push(read);
    at = read.end;
  }
}

export function readRequest(bytes: string, at: number): ReadRequest | 'partial' | 'broken' {
  const head = readHead(bytes, at);
  if (typeof head === 'string') return head;
  // Without a version it is HTTP/0.9, which is never forwarded.
  const [, method = '', target = '', version = '0.9'] = REQUEST_LINE.exec(head.line) ?? [];
  if (method === '') return 'broken';
  const body = readFramed(bytes, head.end, head.fields);
  if (typeof body === 'string') return body;
  return { method, target, version, fields: head.fields, body: body.text, end: body.end };
}

/** @param bare the answer has no body whatever its fields say: to HEAD, and interim ones. */
export function readAnswer(
  bytes: string,
  at: number,
  bare: (status: number) => boolean,
): ReadAnswer | 'partial' | 'broken' {
  const head = readHead(bytes, at);
  if (typeof head === 'string') return head;
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head.line)?.[1] ?? Number.NaN);
  if (Number.isNaN(status)) return 'broken';
  const fields = new Map(head.fields);
  if (bare(status)) return { status, fields, body: '', end: head.end };
  const framed = fields.has('transfer-encoding') || fields.has('content-length');
  const body = framed
    ? readFramed(bytes, head.end, head.fields)
    : { text: bytes.slice(head.end), end: bytes.length };
  return typeof body === 'string' ? body : { status, fields, body: body.text, end: body.end };
}

function readHead(
  bytes: string,
  at: number,
): { line: string; fields: readonly (readonly [string, string])[]; end: number } | 'partial' | 'broken' {
  const end = bytes.indexOf('\r\n\r\n', at);
  if (end === -1) return 'partial';
  const [line = '', ...lines] = bytes.slice(at, end).split('\r\n');
  const fields: (readonly [string, string])[] = [];
  for (const field of lines) {
    const read = FIELD_LINE.exec(field);
    if (read === null) return 'broken';
    fields.push([(read[1] ?? '').toLowerCase(), read[2] ?? '']);
  }
  return { line, fields, end: end + 4 };
}

function readFramed(
  bytes: string,
  at: number,
  fields: readonly (readonly [string, string])[],
): { readonly text: string; readonly end: number } | 'partial' | 'broken' {
  const codings = fields.filter(([name]) => name === 'transfer-encoding');
  const lengths = fields.filter(([name]) => name === 'content-length');
  const [coding] = codings;
  const [length] = lengths;
  if (codings.length > 1 || lengths.length > 1 || (coding !== undefined && length !== undefined))
    return 'broken';
  if (coding !== undefined) return coding[1].toLowerCase() === 'chunked' ? readChunks(bytes, at) : 'broken';
  if (length === undefined) return { text: '', end: at };
  if (!/^\d{1,15}$/.test(length[1])) return 'broken';
  const end = at + Number(length[1]);
  return end > bytes.length ? 'partial' : { text: bytes.slice(at, end), end };
}

/** RFC 9112 section 7.1; trailer fields are read and dropped. */
function readChunks(
  bytes: string,
  from: number,
): { readonly text: string; readonly end: number } | 'partial' | 'broken' {
  let text = '';
  let at = from;
  for (;;) {
    const line = lineAt(bytes, at);
    if (line === null) return 'partial';
    const size = CHUNK_LINE.exec(line)?.[1];
    if (size === undefined) return 'broken';
    const length = Number.parseInt(size, 16);
    at += line.length + 2;
    if (length === 0) break;
    if (at + length + 2 > bytes.length) return 'partial';
    if (!bytes.startsWith('\r\n', at + length)) return 'broken';
    text += bytes.slice(at, at + length);
    at += length + 2;
  }
  for (;;) {
    const line = lineAt(bytes, at);
    if (line === null) return 'partial';
    at += line.length + 2;
    if (line === '') return { text, end: at };
    if (!FIELD_LINE.test(line)) return 'broken';
  }
}

function lineAt(bytes: string, at: number): string | null {
  const end = bytes.indexOf('\r\n', at);
  return end === -1 ? null : bytes.slice(at, end);
}
