import { open } from 'node:fs/promises';
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isJsonObject, type JsonValue, parseStrictJsonBytes } from '@ideogate/contract';
import { addressFault, type TrustedIssuer } from './config.ts';

/** The bytes of a key set couldn't be had. The message names no address: it is shown on the readiness page. */
class KeySetUnreachable extends Error {
  override readonly name = 'KeySetUnreachable';
}

interface Limits {
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}

/**
 * Gets the bytes of an issuer's key set from the place that configuration names, and from nowhere else.
 * @throws KeySetUnreachable
 */
export async function loadKeySet({ issuer, keys }: TrustedIssuer, limits: Limits): Promise<Uint8Array> {
  if ('file' in keys) return readBounded(keys.file, limits);
  const address = 'jwksUri' in keys ? keys.jwksUri : await discover(issuer, limits);
  const answer = await get(address, limits);
  if (answer.status !== 200) throw new KeySetUnreachable(`the key set was answered with ${answer.status}`);
  return answer.body;
}

/** OpenID Connect Discovery 1.0 section 4, or RFC 8414 section 3 where the first isn't there. */
async function discover(issuer: string, limits: Limits): Promise<string> {
  const { origin, pathname } = new URL(issuer);
  const path = pathname.replace(/\/$/, '');
  let answer = await get(`${origin}${path}/.well-known/openid-configuration`, limits);
  if (answer.status === 404) {
    answer = await get(`${origin}/.well-known/oauth-authorization-server${path}`, limits);
  }
  if (answer.status !== 200) throw new KeySetUnreachable(`discovery was answered with ${answer.status}`);
  let metadata: JsonValue;
  try {
    metadata = parseStrictJsonBytes(answer.body);
  } catch {
    throw new KeySetUnreachable('the discovery document is not JSON with one meaning');
  }
  if (!isJsonObject(metadata) || metadata['issuer'] !== issuer) {
    throw new KeySetUnreachable('the discovery document is of another issuer'); // RFC 8414 section 3.3
  }
  const address = metadata['jwks_uri'];
  if (typeof address !== 'string' || addressFault(address) !== undefined) {
    throw new KeySetUnreachable('the discovery document names no key set that may be fetched');
  }
  if (issuer.startsWith('https:') && !address.startsWith('https:')) {
    throw new KeySetUnreachable('the discovery document leads from https to plain http');
  }
  return address;
}

interface Answer {
  readonly status: number;
  readonly body: Uint8Array;
}

/**
 * One GET on a connection of its own. Redirects aren't followed (any status is handed back as it is), and TLS is
 * verified even where the process was told to skip that (`NODE_TLS_REJECT_UNAUTHORIZED`).
 */
function get(address: string, { maxBytes, signal }: Limits): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const request = address.startsWith('https:') ? requestHttps : requestHttp;
  const headers = { accept: 'application/json, application/jwk-set+json', connection: 'close' };
  const call = request(address, { agent: false, headers, rejectUnauthorized: true, signal }, (response) => {
    const chunks: Buffer[] = [];
    let size = 0;
    response.on('data', (chunk: Buffer) => {
      size += chunk.length;
      chunks.push(chunk);
      if (size > maxBytes) call.destroy(new KeySetUnreachable(`more than ${maxBytes} bytes were answered`));
    });
    response.on('end', () => {
      if (response.complete) resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) });
    });
    response.on('error', fail);
    response.on('close', () => fail(new KeySetUnreachable('the answer was cut short')));
  });
  function fail(cause: Error): void {
    reject(cause instanceof KeySetUnreachable ? cause : new KeySetUnreachable(plain(cause, signal)));
  }
  call.on('error', fail);
  call.end();
  return promise;
}

/** A cause in words that name no address. */
function plain(cause: Error, signal: AbortSignal): string {
  if (signal.aborted) return 'the answer took too long';
  const code = 'code' in cause && typeof cause.code === 'string' ? ` (${cause.code})` : '';
  return `it could not be reached${code}`;
}

async function readBounded(path: string, { maxBytes }: Limits): Promise<Uint8Array> {
  try {
    await using file = await open(path, 'r');
    // One byte more than allowed shows that there is too much, without trusting what `stat` says.
    const { bytesRead, buffer } = await file.read(Buffer.alloc(maxBytes + 1), 0, maxBytes + 1, 0);
    if (bytesRead > maxBytes) throw new KeySetUnreachable(`the key set file has more than ${maxBytes} bytes`);
    return buffer.subarray(0, bytesRead);
  } catch (cause) {
    if (cause instanceof KeySetUnreachable) throw cause;
    const code = cause instanceof Error && 'code' in cause ? ` (${String(cause.code)})` : '';
    throw new KeySetUnreachable(`the key set file could not be read${code}`);
  }
}
