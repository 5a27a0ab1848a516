import { createHmac, createSecretKey, randomBytes } from 'node:crypto';
import { errorCode, isJsonObject, parseStrictJson } from '@ideogate/contract';
import { listWebhooks, openWebhookPool } from '@ideogate/webhook-inbox';
import { signWebhook, type WebhookSecret } from '@ideogate/webhook';
import { loginOf, type RunningProduct } from '../running-product.ts';
import type { ProductConfig } from '../standalone.ts';
import { bounded } from './bounded.ts';
import { fault, type Finding, NO_SETTINGS, NOT_RUNNING, ok, unknown, warning } from './finding.ts';
import type { Surroundings } from './surroundings.ts';

/*
 * The good one is the same each time, in its id and its bytes: after the first time it is known, so that it is verified
 * again and goes to nobody again.
 */
const ID = 'ideogate-doctor';
const BODY = Buffer.from(
  '{"type":"ideogate.doctor","detail":"Sent by ideogate doctor. Nothing is to be done."}\n',
);
const OLD_SECONDS = 3_600;
const ANSWER_MS = 5_000;

/** Signatures are asked for at every endpoint: it takes a good webhook, and neither a forged nor an old one. */
export async function webhooks({ config, ready }: Surroundings): Promise<readonly Finding[]> {
  if (config === null) return [NO_SETTINGS];
  if (config.webhooks.length === 0) return [ok('no endpoint takes webhooks')];
  if (ready === null) return [NOT_RUNNING];
  const { origin } = config.gateway.upstream;
  const found = await Promise.all(config.webhooks.map((endpoint) => findingsOf(endpoint, ready, origin)));
  return found.flat();
}

async function findingsOf(
  endpoint: ProductConfig['webhooks'][number],
  ready: RunningProduct,
  upstream: string,
): Promise<readonly Finding[]> {
  const { name, scheme, secrets } = endpoint;
  const send = async (kind: string, headers: Record<string, string>) => ({
    kind,
    status: await statusOf(`${ready.gateway}/-/webhooks/${name}`, headers),
  });
  const now = Math.floor(Date.now() / 1000);
  const nobodys = [createSecretKey(randomBytes(32)) as WebhookSecret]; // as: 32 bytes are fit
  switch (scheme) {
    case 'ideogram': {
      const keyId = await keyIdOfIdeogram(upstream);
      const tried = [
        await send('forged', ideogramFields(keyId, now)),
        await send('forged and old', ideogramFields(keyId, now - OLD_SECONDS)),
      ];
      return [judge(name, tried, null), ...(await bounded(() => lastOf(name, ready), ANSWER_MS))];
    }
    case 'standard': {
      const fields = (timestamp: number, by: readonly WebhookSecret[]) => ({
        ...signWebhook({ id: ID, timestamp, body: BODY, secrets: by }),
      });
      const good = await send('good', fields(now, secrets));
      const tried = [
        await send('forged', fields(now, nobodys)),
        await send('old', fields(now - OLD_SECONDS, secrets)),
      ];
      return [judge(name, tried, good)];
    }
    case 'hmac-sha256': {
      const fields = ([secret]: readonly WebhookSecret[]) => ({
        'x-ideogram-signature':
          secret === undefined ? '' : createHmac('sha256', secret).update(BODY).digest('hex'),
      });
      const good = await send('good', fields(secrets));
      return [
        judge(name, [await send('forged', fields(nobodys))], good),
        warning(
          `endpoint ${name}: hmac-sha256 signs no time, so an old webhook is not told from a new one`,
          `give it the scheme standard if its sender can (docs/webhooks.md)`,
        ),
      ];
    }
  }
}

interface Tried {
  readonly kind: string;
  /** Null when there was no answer. */
  readonly status: number | string;
}

/** @param good null where only the sender can sign one */
function judge(name: string, refusable: readonly Tried[], good: Tried | null): Finding {
  const all = [...(good === null ? [] : [good]), ...refusable];
  const evidence = `endpoint ${name}: ${all.map(({ kind, status }) => `${kind} ${status}`).join(', ')}`;
  const taken = refusable.filter(({ status }) => typeof status === 'number' && status < 400);
  if (taken.length > 0)
    return fault(
      `${evidence}: what is ${taken[0]?.kind} is taken`,
      `take endpoint ${name} out of IDEOGATE_WEBHOOKS and start again`,
    );
  if (good?.status === 401)
    return fault(
      `${evidence}: what these settings sign is refused`,
      'start again, so that the gateway has the secrets that IDEOGATE_WEBHOOKS names now',
    );
  if (good?.status === 404)
    return fault(
      `${evidence}: the gateway has no such endpoint`,
      'start again, so that the gateway has the endpoints of IDEOGATE_WEBHOOKS',
    );
  if (refusable.every(({ status }) => status === 401) && (good === null || good.status === 204))
    return ok(good === null ? `${evidence}; a good one only Ideogram can sign` : evidence);
  return unknown(evidence, 'see /-/ready of the gateway and its log');
}

/** Of Ideogram's own a good one cannot be made; whether one ever came is on record. */
async function lastOf(name: string, ready: RunningProduct): Promise<readonly Finding[]> {
  const pool = openWebhookPool(loginOf(ready, 'webhook'));
  try {
    const [last] = await listWebhooks(pool, { limit: 1, endpoint: name });
    return [
      ok(
        last === undefined
          ? `endpoint ${name}: no genuine webhook came yet`
          : `endpoint ${name}: the last genuine webhook came ${last.receivedAt.slice(0, 19)}Z`,
      ),
    ];
  } finally {
    await pool.end();
  }
}

/**
 * The id of a key that Ideogram signs with. A forger would name one too; an id that nobody has would have the gateway
 * fetch the keys, which it does not do at each stranger's word.
 */
async function keyIdOfIdeogram(upstream: string): Promise<string> {
  try {
    const response = await fetch(`${upstream}/v1/.well-known/jwks.json`, {
      redirect: 'manual',
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    const set = parseStrictJson(await response.text());
    const keys = isJsonObject(set) && Array.isArray(set['keys']) ? set['keys'] : [];
    const ids = keys.flatMap((key) =>
      isJsonObject(key) && typeof key['kid'] === 'string' ? key['kid'] : [],
    );
    return ids[0] ?? UNKNOWN_KEY;
  } catch {
    // What the gateway makes of that is what its answers show.
    return UNKNOWN_KEY;
  }
}

const UNKNOWN_KEY = 'ideogate-doctor-knows-none';

function ideogramFields(keyId: string, timestamp: number): Record<string, string> {
  return {
    'x-ideogram-webhook-generation-id': ID,
    'x-ideogram-webhook-user-id': ID,
    'x-ideogram-webhook-timestamp': String(timestamp),
    'x-ideogram-webhook-key-id': keyId,
    'x-ideogram-webhook-signature': randomBytes(64).toString('hex'),
  };
}

async function statusOf(url: string, headers: Record<string, string>): Promise<number | string> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: BODY,
      redirect: 'manual',
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    await response.body?.cancel();
    return response.status;
  } catch (error) {
    return `no answer (${errorCode(error instanceof Error ? error.cause : error)})`;
  }
}
