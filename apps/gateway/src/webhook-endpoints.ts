import type { SigningKeys } from '@ideogate/access-token';
import {
  ideogramKeyId,
  type WebhookHeaders,
  type WebhookKeys,
  type WebhookSchemeName,
  type WebhookSecret,
} from '@ideogate/webhook';
import type { WebhookInbox } from '@ideogate/webhook-inbox';

/** One address at which webhooks come in: `/-/webhooks/<name>`. */
export interface WebhookEndpoint {
  readonly name: string;
  readonly scheme: WebhookSchemeName;
  /** How often a delivery to its subscriber is tried before it is a dead letter. */
  readonly attempts: number;
  /** What a request is to be verified with; `unavailable`: that can't be had now. Never rejects. */
  keysFor(headers: WebhookHeaders): Promise<WebhookKeys | 'unavailable'>;
}

/** What the composer brings: the endpoints, and the store in which verified webhooks wait for their subscribers. */
export interface IncomingWebhooks {
  /** How many wait for their subscribers, and how many are tried no more; null while another gateway delivers. */
  undelivered(): { readonly waiting: number; readonly dead: number } | null;
  readonly endpoints: ReadonlyMap<string, WebhookEndpoint>;
  readonly inbox: Pick<WebhookInbox, 'has' | 'put'>;
}

/**
 * An endpoint for what Ideogram itself sends.
 * @param users Ideogram's ids of the users whose events are taken
 */
export function ideogramEndpoint(
  name: string,
  attempts: number,
  keys: SigningKeys,
  users: ReadonlySet<string>,
): WebhookEndpoint {
  return {
    name,
    scheme: 'ideogram',
    attempts,
    async keysFor(headers) {
      const keyId = ideogramKeyId(headers);
      const found = keyId === null ? null : await keys.find(keyId);
      if (found?.kind === 'unavailable') return 'unavailable';
      const known = keyId !== null && found?.kind === 'found' ? [[keyId, found.key] as const] : [];
      return { scheme: 'ideogram', keys: new Map(known), users };
    },
  };
}

/** An endpoint for senders with whom a secret is shared; several while it is changed. */
export function secretEndpoint(
  name: string,
  attempts: number,
  scheme: Exclude<WebhookSchemeName, 'ideogram'>,
  secrets: readonly WebhookSecret[],
): WebhookEndpoint {
  const keys: WebhookKeys = { scheme, secrets };
  return { name, scheme, attempts, keysFor: async () => keys };
}
