import { openSigningKeys } from '@ideogate/access-token';
import { errorCode } from '@ideogate/contract';
import { deliverWebhooks, openInbox } from '@ideogate/webhook-inbox';
import type { Log } from '../context.ts';
import { ideogramEndpoint, type IncomingWebhooks, secretEndpoint } from '../webhook-endpoints.ts';
import type { WebhookEndpointConfig } from './webhook-endpoints.ts';

/** Webhooks as the product runs them: where they come in, and what brings them to their subscribers. */
export interface Webhooks {
  readonly door: IncomingWebhooks;
  stop(): Promise<void>;
}

/**
 * @param url of the webhook login
 * @param upstream origin of Ideogram's API, which publishes the keys that it signs with
 * @throws what Postgres or the network says
 */
export async function openWebhooks(
  configs: readonly WebhookEndpointConfig[],
  url: string,
  upstream: string,
  log: Log,
): Promise<Webhooks> {
  const inbox = await openInbox(url);
  const keys = openSigningKeys(`${upstream}/v1/.well-known/jwks.json`, { now: Date.now });
  const endpoints = configs.map(({ name, scheme, secrets, users, attempts }) =>
    scheme === 'ideogram'
      ? ideogramEndpoint(name, attempts, keys, new Set(users))
      : secretEndpoint(name, attempts, scheme, secrets),
  );
  const delivery = deliverWebhooks({
    url,
    subscribers: new Map(configs.map(({ name, subscriber }) => [name, subscriber])),
    onFailed: ({ dead, ...failure }) =>
      log.error(
        failure,
        dead
          ? 'a webhook is a dead letter now: see ideogate webhooks list --state dead'
          : 'a webhook could not be delivered; trying again',
      ),
    onFault: (error) => log.error({ error: errorCode(error) }, 'webhooks are not delivered; trying again'),
  });
  return {
    door: {
      endpoints: new Map(endpoints.map((endpoint) => [endpoint.name, endpoint])),
      inbox,
      undelivered: () => delivery.undelivered(),
    },
    async stop() {
      await delivery.stop();
      keys.close();
      await inbox.close();
    },
  };
}
