import { errorCode } from '@ideogate/contract';
import { signWebhook, type WebhookSecret } from '@ideogate/webhook';
import { Agent, request } from 'undici';

/** Who gets what came in at one endpoint. The address comes from the operator alone, never from a webhook. */
export interface Subscriber {
  /** https, or http on loopback. */
  readonly url: string;
  /** Each signs, so that the subscriber may know either while they are changed. */
  readonly secrets: readonly WebhookSecret[];
}

/** One event on its way to its subscriber. */
export interface Delivery {
  readonly id: string;
  readonly endpoint: string;
  readonly contentType: string | null;
  readonly body: Buffer;
}

/** The subscriber did not take it. The message names no address and quotes nothing of an answer. */
export class NotDelivered extends Error {
  override readonly name = 'NotDelivered';
}

const WHOLE_MS = 15_000;

/** A connection to subscribers: TLS is verified, whatever the process was told to skip. */
export function openSender(): Agent {
  return new Agent({ connect: { rejectUnauthorized: true, timeout: 5_000 }, keepAliveTimeout: 10_000 });
}

/**
 * Sends one event, signed at this moment. A redirect is not followed: it is an answer like any other that is not 2xx.
 * @throws NotDelivered
 */
export async function send(
  { url, secrets }: Subscriber,
  delivery: Delivery,
  agent: Agent,
  stopped: AbortSignal | undefined,
): Promise<void> {
  const { id, endpoint, contentType, body } = delivery;
  const timestamp = Math.floor(Date.now() / 1000);
  const limit = AbortSignal.timeout(WHOLE_MS);
  let status: number;
  try {
    const answer = await request(url, {
      dispatcher: agent,
      method: 'POST',
      headers: {
        'content-type': contentType ?? 'application/octet-stream',
        'user-agent': 'Ideogate',
        'ideogate-webhook-endpoint': endpoint,
        ...signWebhook({ id, timestamp, body, secrets }),
      },
      body,
      signal: stopped === undefined ? limit : AbortSignal.any([limit, stopped]),
    });
    status = answer.statusCode;
    // Only the status counts; an answer that goes on and on must not hold the connection.
    await answer.body.dump({ limit: 65_536 }).catch(() => {});
  } catch (error) {
    throw new NotDelivered(
      limit.aborted ? 'no answer in time' : `not reached (${errorCode(error, 'failed')})`,
    );
  }
  if (status < 200 || status > 299) throw new NotDelivered(`answered with ${status}`);
}
