import { SMALL_CALL } from '../scene.ts';

export interface RequestParts {
  readonly method?: 'GET' | 'POST';
  readonly path: string;
  readonly fields?: Readonly<Record<string, string>>;
  /** What is sent of the body. */
  readonly body?: string | Buffer;
  readonly contentType?: string;
  /** How long the body is said to be; without it, as long as what is sent. */
  readonly bodyBytes?: number;
}

/** A request of HTTP/1.1 as it goes over the wire; of its body, what is there of it. */
export function requestBytes(host: string, parts: RequestParts): Buffer {
  const { path, fields = {}, body, contentType } = parts;
  const lines = [`${parts.method ?? 'GET'} ${path} HTTP/1.1`, `Host: ${host}`];
  for (const [name, value] of Object.entries(fields)) lines.push(`${name}: ${value}`);
  if (contentType !== undefined) lines.push(`Content-Type: ${contentType}`);
  const sent = Buffer.from(body ?? '');
  if (body !== undefined) lines.push(`Content-Length: ${parts.bodyBytes ?? sent.length}`);
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), sent]);
}

const MIB = 1024 * 1024;
/** Priced, never made: a call of a caller who may only read. */
const QUOTE = '/v2/image/generate/ideogram-3?dry_run=true';
const JSON_TYPE = 'application/json';
const PROMPT = '{"prompt":"';

/** A JSON body of which the first few bytes are there. */
export function drippingJson(token: string): RequestParts {
  return post(QUOTE, token, { contentType: JSON_TYPE, body: PROMPT, bodyBytes: 1000 });
}

/** An upload of which 300 bytes of a field's text are there. */
export function drippingUpload(token: string): RequestParts {
  const field = '--B\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n';
  return post('/v1/ideogram-v3/generate', token, {
    contentType: 'multipart/form-data; boundary=B',
    body: field + 'a'.repeat(300),
    bodyBytes: 5000,
  });
}

/** A JSON body of 1 MiB, less its last byte. */
export function heldJson(token: string): RequestParts {
  const body = PROMPT + 'a'.repeat(MIB - PROMPT.length - 1);
  return post(QUOTE, token, { contentType: JSON_TYPE, body, bodyBytes: MIB });
}

/** 1 MiB of as many values as fit into it, which ends in the middle: the last byte says that all was in vain. */
export function denseJson(token: string): RequestParts {
  const start = '{"x":[';
  const body = start + '{},'.repeat(Math.floor((MIB - start.length) / 3));
  return post(QUOTE, token, { contentType: JSON_TYPE, body });
}

/** A picture in whose making the emulator takes so long: it finds its faults in prompts. */
export function slowPicture(token: string, latencyMs: number): RequestParts {
  const prompt = `a hen fault:${JSON.stringify({ latencyMs })}`;
  return post(SMALL_CALL.path, token, {
    contentType: JSON_TYPE,
    body: JSON.stringify({ prompt, rendering_speed: 'TURBO', num_images: 1 }),
  });
}

export function smallPicture(token: string): RequestParts {
  return post(SMALL_CALL.path, token, { contentType: SMALL_CALL.contentType, body: SMALL_CALL.body });
}

export function models(token: string | null): RequestParts {
  return { path: '/models', fields: token === null ? {} : { 'Api-Key': token } };
}

export const WEBHOOK_PATH = '/-/webhooks/partner';

/** A webhook whose head gives no reason to refuse it, and of whose body one byte is there. */
export function drippingWebhook(id: string, nowMs: number): RequestParts {
  return {
    method: 'POST',
    path: WEBHOOK_PATH,
    fields: {
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(nowMs / 1000)),
      'webhook-signature': `v1,${Buffer.alloc(32, 7).toString('base64')}`,
    },
    contentType: JSON_TYPE,
    body: '{',
    bodyBytes: 1000,
  };
}

/** A request for a token (RFC 6749 section 4.4). */
export function tokenRequest(client: string, secret: string): RequestParts {
  return {
    method: 'POST',
    path: '/token',
    fields: { Authorization: `Basic ${Buffer.from(`${client}:${secret}`).toString('base64')}` },
    contentType: 'application/x-www-form-urlencoded',
    body: 'grant_type=client_credentials',
  };
}

/** The same token with another signature of the same length: its key id is known, and only a key shows that it is forged. */
export function forged(token: string): string {
  const [header, claims, signature = ''] = token.split('.');
  return [header, claims, Buffer.from(signature, 'base64url').reverse().toString('base64url')].join('.');
}

function post(
  path: string,
  token: string,
  rest: Omit<RequestParts, 'method' | 'path' | 'fields'>,
): RequestParts {
  return { method: 'POST', path, fields: { 'Api-Key': token }, ...rest };
}
