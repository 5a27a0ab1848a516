import { createHash, generateKeyPairSync, sign, type webcrypto } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { isLoopback } from '@ideogate/contract';

/** Calls back once an asynchronous generation is done, signed as Ideogram signs. */
export interface Webhooks {
  /** What verifies them (`GET /v1/.well-known/jwks.json`). */
  readonly key: webcrypto.JsonWebKey & { readonly kid: string };
  /** Never throws; nothing leaves this machine. */
  callBack(url: string, generationId: string, payload: unknown): void;
  stop(): void;
}

const TRIES = 5;
const FIRST_WAIT_MS = 100;

/** @param now milliseconds since the epoch */
export function createWebhooks(now: () => number): Webhooks {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const jwk = publicKey.export({ format: 'jwk' });
  // Of this very key: whoever kept that of an earlier run must see that it is another.
  const keyId = `emulated-${createHash('sha256')
    .update(jwk.x ?? '')
    .digest('hex')
    .slice(0, 8)}`;
  const stopped = new AbortController();

  function fieldsFor(generationId: string, body: string): Record<string, string> {
    const user = 'emulated-user';
    const timestamp = String(Math.floor(now() / 1000));
    const digest = createHash('sha256').update(body).digest('hex');
    const message = [generationId, user, timestamp, digest].join('\n');
    return {
      'Content-Type': 'application/json',
      'X-Ideogram-Webhook-Generation-Id': generationId,
      'X-Ideogram-Webhook-User-Id': user,
      'X-Ideogram-Webhook-Timestamp': timestamp,
      'X-Ideogram-Webhook-Key-Id': keyId,
      'X-Ideogram-Webhook-Signature': sign(null, Buffer.from(message), privateKey).toString('hex'),
    };
  }

  async function deliver(url: string, generationId: string, body: string): Promise<void> {
    for (let tried = 0; tried < TRIES; tried++) {
      if (tried > 0)
        await pause(FIRST_WAIT_MS * 2 ** tried, undefined, { signal: stopped.signal, ref: false });
      const response = await fetch(url, {
        method: 'POST',
        headers: fieldsFor(generationId, body),
        body,
        redirect: 'manual',
        signal: AbortSignal.any([stopped.signal, AbortSignal.timeout(10_000)]),
      }).catch(() => null);
      await response?.body?.cancel();
      if (response?.ok) return;
    }
  }

  return {
    key: { ...jwk, kid: keyId, use: 'sig', alg: 'EdDSA' },
    callBack(url, generationId, payload) {
      if (!URL.canParse(url) || !isLoopback(new URL(url).hostname)) return;
      // After the answer to the call itself, as Ideogram needs some seconds.
      setImmediate(() => {
        deliver(url, generationId, JSON.stringify(payload)).catch(() => {}); // stopped in a pause
      });
    },
    stop: () => stopped.abort(),
  };
}
