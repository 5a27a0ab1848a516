import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { GatewayProcess } from './gateway-process.ts';
import { userAgentOf } from './upstream.ts';

/** What a caller asks for. */
export type CallKind =
  /** A call that policy allows and that costs money. */
  | 'paid'
  | 'upload'
  /** The first half of an upload; its end never comes. */
  | 'half-upload'
  /** A good token without the scope. */
  | 'unscoped'
  /** No token. */
  | 'stranger';

/** What a caller got. */
interface Answer {
  readonly status: number;
  readonly callId: string | null;
  /** Problem code of an answer of the gateway's own, `upstream-…` ones included; null for the upstream's. */
  readonly problem: string | null;
  /** It came to its end. */
  readonly whole: boolean;
}

/** One call as its caller knows it. */
export interface MadeCall {
  /** 32 hex digits: trace id in the record, part of the user agent at the upstream. */
  readonly marker: string;
  readonly kind: CallKind;
  /** Writer of the gateway it went to. */
  readonly writer: string;
  /** Null: the connection ended without one. */
  readonly answer: Answer | null;
  /** The caller went away by its own will. */
  readonly left: boolean;
  /** From the first byte sent to the end of it, milliseconds. */
  readonly durationMs: number;
}

export interface CallOptions {
  /** Default: a new one. */
  readonly marker?: string;
  /** The caller goes away when this resolves. */
  readonly leave?: Promise<unknown>;
  /** Called when the head of the answer has come; `leave` makes the caller go away then. */
  readonly atAnswer?: () => void;
}

export interface Tokens {
  /** A token that the gateway takes from this subject of the test policy. */
  readonly of: (subject: 'writer' | 'reader') => string;
}

export function newMarker(): string {
  return randomBytes(16).toString('hex');
}

/** A connection on which half a head was sent, and nothing else. */
export async function sendHalfAHead(to: GatewayProcess): Promise<Socket> {
  const socket = connect(to.port, '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write('POST /v1/ideogram-v3/generate HTTP/1.1\r\nHost: gate');
  return socket;
}

const PATH = { paid: '/v1/ideogram-v3/generate', upload: '/v1/ideogram-v3/remix' } as const;
const BOUNDARY = 'fault-run-0123456789';
/** Its half is more than a connection to the upstream waits for. */
const UPLOAD_BYTES = 256 * 1024;
/** No fault lasts so long; a caller that waits longer has been forgotten. */
const PATIENCE_MS = 120_000;

/** Makes calls, and keeps what became of each. */
export class Callers {
  readonly made: MadeCall[] = [];
  readonly #agent = new Agent({ keepAlive: true });
  readonly #tokens: Tokens;

  constructor(tokens: Tokens) {
    this.#tokens = tokens;
  }

  /** One call to its end, whatever that is; never rejects. */
  async call(to: GatewayProcess, kind: CallKind = 'paid', options: CallOptions = {}): Promise<MadeCall> {
    const { marker = newMarker() } = options;
    const began = performance.now();
    const ended = await this.#send(to.port, kind, marker, options);
    const made = { marker, kind, writer: to.writer, durationMs: performance.now() - began, ...ended };
    this.made.push(made);
    return made;
  }

  close(): void {
    this.#agent.destroy();
  }

  #send(port: number, kind: CallKind, marker: string, { leave, atAnswer }: CallOptions) {
    return new Promise<Pick<MadeCall, 'answer' | 'left'>>((resolve) => {
      let left = false;
      let head: IncomingMessage | undefined;
      const upload = kind === 'upload' || kind === 'half-upload';
      const token = kind === 'stranger' ? null : this.#tokens.of(kind === 'unscoped' ? 'reader' : 'writer');
      const sent = request({
        agent: this.#agent,
        host: '127.0.0.1',
        port,
        method: 'POST',
        path: upload ? PATH.upload : PATH.paid,
        timeout: PATIENCE_MS,
        headers: {
          'user-agent': userAgentOf(marker),
          traceparent: `00-${marker}-00000000000000ab-01`,
          ...(token === null ? {} : { 'api-key': token }),
          ...(upload
            ? {
                'content-type': `multipart/form-data; boundary=${BOUNDARY}`,
                'content-length': uploadBody().length,
              }
            : { 'content-type': 'application/json', 'content-length': PAID_BODY.length }),
        },
      });
      const settle = (problem: string | null, whole: boolean) =>
        resolve({ left, answer: head === undefined ? null : answerOf(head, problem, whole) });
      sent.on('timeout', () => sent.destroy());
      sent.on('error', () => settle(null, false));
      sent.on('response', (response) => {
        head = response;
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => {
          body += text;
        });
        response.on('error', () => undefined);
        response.once('close', () => settle(problemOf(response, body), response.complete));
        atAnswer?.();
      });
      void leave?.then(() => {
        left = true;
        sent.destroy();
      });
      write(sent, kind);
    });
  }
}

const PAID_BODY = JSON.stringify({ prompt: 'a lighthouse', rendering_speed: 'TURBO' });

function uploadBody(): string {
  return (
    `--${BOUNDARY}\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na lighthouse\r\n` +
    `--${BOUNDARY}\r\nContent-Disposition: form-data; name="rendering_speed"\r\n\r\nTURBO\r\n` +
    `--${BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n` +
    `Content-Type: image/png\r\n\r\n${'x'.repeat(UPLOAD_BYTES)}\r\n--${BOUNDARY}--\r\n`
  );
}

function write(sent: ClientRequest, kind: CallKind): void {
  if (kind === 'upload') sent.end(uploadBody());
  else if (kind === 'half-upload') sent.write(uploadBody().slice(0, UPLOAD_BYTES / 2));
  else sent.end(PAID_BODY);
}

function answerOf(head: IncomingMessage, problem: string | null, whole: boolean): Answer {
  const callId = head.headers['ideogate-call-id'];
  return {
    status: head.statusCode ?? 0,
    callId: typeof callId === 'string' ? callId : null,
    problem,
    whole,
  };
}

/** The code at the end of `type` (RFC 9457 section 3.1.1), where the answer is a problem document. */
function problemOf(head: IncomingMessage, body: string): string | null {
  if (!head.headers['content-type']?.startsWith('application/problem+json')) return null;
  return /"type":"[^"]*\/([a-z-]+)"/.exec(body)?.[1] ?? 'cut';
}
