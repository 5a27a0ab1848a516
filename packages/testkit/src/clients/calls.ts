import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';

/** The calls that each client makes. */
export const CALLS = ['models', 'generate', 'remix', 'health', 'health-head'] as const;

export type CallName = (typeof CALLS)[number];

/** A request as a client put it on the wire, but for the token, and host and port. */
export interface RecordedRequest {
  readonly client: string;
  readonly call: CallName;
  readonly bytes: Buffer;
}

/** What stands in a recording where these were. */
const TOKEN = '{{a token}}';
const HOST = '{{host:port}}';
const FOLDER = join(import.meta.dirname, 'recorded');

export const JSON_BODY = JSON.stringify({ prompt: 'a lighthouse', rendering_speed: 'TURBO' });
/** Stands for a picture: nobody looks into it. */
export const PICTURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0xff, 0x2d, 0x2d]);

/** All that are kept, by client and call. */
export function recordedRequests(): readonly RecordedRequest[] {
  const files = readdirSync(FOLDER).filter((file) => file !== 'README.md');
  return files.map((file) => {
    const [client = '', call, ending] = file.split('.');
    if (!isCall(call) || ending !== 'http') throw new Error(`${file} is no recording`);
    return { client, call, bytes: readFileSync(join(FOLDER, file)) };
  });
}

function isCall(name: string | undefined): name is CallName {
  return CALLS.some((call) => call === name);
}

export function recordingFile(client: string, call: CallName): string {
  return join(FOLDER, `${client}.${call}.http`);
}

/** A recording of these bytes. */
export function withoutToken(bytes: Buffer, token: string, host: string): Buffer {
  return Buffer.from(bytes.toString('latin1').replaceAll(token, TOKEN).replaceAll(host, HOST), 'latin1');
}

/** The bytes of a recording with a token and a host in their places. */
export function withToken(bytes: Buffer, token: string, host: string): Buffer {
  return Buffer.from(bytes.toString('latin1').replaceAll(TOKEN, token).replaceAll(HOST, host), 'latin1');
}

/** A call as plainly as it can be written. */
export function plainRequest(call: CallName, token: string, host: string): Buffer {
  const head = (line: string, fields: readonly string[] = []) =>
    `${[`${line} HTTP/1.1`, `Host: ${host}`, `Authorization: Bearer ${token}`, ...fields].join('\r\n')}\r\n\r\n`;
  const post = (path: string, type: string, body: string) =>
    Buffer.from(
      `${head(`POST ${path}`, [`Content-Type: ${type}`, `Content-Length: ${body.length}`])}${body}`,
      'latin1',
    );
  const part = (disposition: string, content: string) =>
    `--plain\r\nContent-Disposition: form-data; ${disposition}\r\n\r\n${content}\r\n`;
  switch (call) {
    case 'models':
      return Buffer.from(head('GET /models'));
    case 'generate':
      return post('/v1/ideogram-v3/generate', 'application/json', JSON_BODY);
    case 'remix':
      return post(
        '/v1/ideogram-v3/remix',
        'multipart/form-data; boundary=plain',
        `${part('name="prompt"', 'a lighthouse')}${part('name="rendering_speed"', 'TURBO')}${part('name="image"; filename="photo.png"', PICTURE.toString('latin1'))}--plain--\r\n`,
      );
    case 'health':
      return Buffer.from(head('GET /-/health'));
    case 'health-head':
      return Buffer.from(head('HEAD /-/health'));
  }
}

/** What an answer comes to, without what is another's each time. */
export interface PlainAnswer {
  readonly status: number;
  readonly type: string | undefined;
  readonly body: string;
}

/** Sends bytes as they are, and reads one answer, however it is framed; interim ones are left out. */
export function answerTo(port: number, bytes: Buffer): Promise<PlainAnswer> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let heard = '';
    const finish = (answer: PlainAnswer) => {
      clearTimeout(bound);
      socket.destroy();
      resolve(answer);
    };
    const bound = setTimeout(() => {
      socket.destroy();
      reject(new Error(`no whole answer: ${heard}`));
    }, 10_000);
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      heard += chunk.toString('latin1');
      const answer = readAnswer(heard, false, bytes.toString('latin1', 0, 5) === 'HEAD ');
      if (answer !== null) finish(answer);
    });
    socket.on('close', () => {
      const answer = readAnswer(heard, true, false);
      if (answer !== null) finish(answer);
    });
    socket.write(bytes);
  });
}

/** Null while some of it is missing. */
function readAnswer(heard: string, closed: boolean, isHead: boolean): PlainAnswer | null {
  const end = heard.indexOf('\r\n\r\n');
  if (end === -1) return null;
  const head = heard.slice(0, end);
  const rest = heard.slice(end + 4);
  const status = Number(head.slice(9, 12));
  if (status < 200) return readAnswer(rest, closed, isHead);
  const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'im').exec(head)?.[1]?.trim();
  const body = isHead ? '' : readBody(rest, field('content-length'), field('transfer-encoding'), closed);
  return body === null ? null : { status, type: field('content-type'), body: timeless(body) };
}

function readBody(
  rest: string,
  length: string | undefined,
  encoding: string | undefined,
  closed: boolean,
): string | null {
  if (encoding === undefined && length === undefined) return closed ? rest : null;
  if (encoding === undefined) return rest.length < Number(length) ? null : rest.slice(0, Number(length));
  let body = '';
  for (let at = 0; ; ) {
    const line = rest.indexOf('\r\n', at);
    const size = Number.parseInt(rest.slice(at, line), 16);
    if (line === -1 || rest.length < line + 2 + size + 2) return null;
    if (size === 0) return body;
    body += rest.slice(line + 2, line + 2 + size);
    at = line + 2 + size + 2;
  }
}

/** Without the moment, and what is signed for it. */
function timeless(body: string): string {
  return body.replaceAll(/"created":"[^"]*"/g, '"created":""').replaceAll(/\?exp=[^"]*/g, '');
}
