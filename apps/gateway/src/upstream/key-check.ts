import { errorCode } from '@ideogate/contract';
import type { UpstreamKey } from '@ideogate/upstream-keys';
import { Client, request } from 'undici';
import type { GatewayConfig } from '../config.ts';
import { createConnector } from './egress.ts';

/** What the upstream thinks of a key. `unclear`: it did not say; `detail` says what it did. */
export interface KeyVerdict {
  readonly answer: 'accepted' | 'refused' | 'unclear';
  readonly detail: string;
}

const WHOLE_MS = 10_000;

/**
 * Tries a key on the upstream by one GET, on the way that calls take: the same trust, the same egress proxy.
 * @param path of an operation that needs a key, changes nothing and costs nothing
 * @param refusedStatus statuses by which that operation says that the key is bad
 */
export async function checkKey(
  upstream: GatewayConfig['upstream'],
  { path, refusedStatus }: { readonly path: string; readonly refusedStatus: readonly number[] },
  key: UpstreamKey,
): Promise<KeyVerdict> {
  const client = new Client(upstream.origin, { connect: createConnector(upstream) });
  const headers: Record<string, string> = { accept: 'application/json', 'accept-encoding': 'identity' };
  key.setHeader(headers);
  try {
    const { statusCode, body } = await request(`${upstream.origin}${path}`, {
      dispatcher: client,
      headers,
      signal: AbortSignal.timeout(WHOLE_MS),
    });
    await body.dump();
    const detail = `GET ${path}: ${statusCode}`;
    if (refusedStatus.includes(statusCode)) return { answer: 'refused', detail };
    return { answer: statusCode >= 200 && statusCode < 300 ? 'accepted' : 'unclear', detail };
  } catch (error) {
    // Never the message, which may hold an address.
    const why = errorCode(error, error instanceof Error ? error.name : 'no answer');
    return { answer: 'unclear', detail: `GET ${path}: ${why}` };
  } finally {
    await client.destroy();
  }
}
