import { IncomingMessage } from 'node:http';

/** Largest body: what a client sends is a hundred bytes or two. */
const MOST_BYTES = 8192;
/** For all of it: it comes with the head, or right behind. */
const WITHIN_MS = 5000;

/** A whole body, or why there is none. */
export type RequestBody =
  | { readonly ok: true; readonly bytes: Buffer }
  | { readonly ok: false; readonly reason: 'body-too-large' | 'body-too-slow' | 'body-cut-short' };

/** Reads the whole body, under a bound of bytes and one of time. */
export function readBody(request: IncomingMessage): Promise<RequestBody> {
  if (Number(request.headers['content-length'] ?? 0) > MOST_BYTES)
    return Promise.resolve({ ok: false, reason: 'body-too-large' });
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const end = (body: RequestBody) => {
      clearTimeout(timer);
      request.off('data', take).off('end', whole).off('close', cut);
      resolve(body);
    };
    const take = (chunk: Buffer) => {
      chunks.push(chunk);
      length += chunk.length;
      if (length > MOST_BYTES) end({ ok: false, reason: 'body-too-large' });
    };
    const whole = () => end({ ok: true, bytes: Buffer.concat(chunks, length) });
    const cut = () => end({ ok: false, reason: 'body-cut-short' });
    const timer = setTimeout(() => end({ ok: false, reason: 'body-too-slow' }), WITHIN_MS);
    request.on('data', take).once('end', whole).once('close', cut);
  });
}

/** Whether a refused request's body may still come, so that its connection stays good for another request. */
export function isBodySmall({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) <= MOST_BYTES;
}

/** The request once more, with a body that has been read: oidc-provider reads it itself, and warns where it can't. */
export function withBody(request: IncomingMessage, body: Buffer): IncomingMessage {
  const again = new IncomingMessage(request.socket);
  again.method = request.method;
  again.url = request.url;
  again.httpVersion = request.httpVersion;
  again.httpVersionMajor = request.httpVersionMajor;
  again.httpVersionMinor = request.httpVersionMinor;
  again.rawHeaders = request.rawHeaders;
  again.headers = request.headers;
  again.complete = true;
  again.push(body);
  again.push(null);
  return again;
}
