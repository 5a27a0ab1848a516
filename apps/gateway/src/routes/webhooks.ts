import { answerFields } from '../edge/answer-fields.ts';
import { createHash } from 'node:crypto';
import { readWebhookHead, type WebhookFault } from '@ideogate/webhook';
import type { FastifyInstance } from 'fastify';
import { addressKey, admit, whileUploading } from '../admission/admit.ts';
import { Lease } from '../admission/shared-pool.ts';
import { type Arrived, callOf } from '../call.ts';
import type { Gateway } from '../context.ts';
import { sendContinue } from '../edge/send-continue.ts';
import { readWhole } from '../edge/read-whole.ts';
import { refuse } from '../finish/finish-call.ts';
import { faultOf, type Reason } from '@ideogate/contract';
import type { Refusal } from '../refusal.ts';
import type { IncomingWebhooks, WebhookEndpoint } from '../webhook-endpoints.ts';
import { KeyedMutex } from './keyed-mutex.ts';

const PATH = '/-/webhooks/';

const MAX_BYTES = 1_048_576;

/**
 * `POST /-/webhooks/<endpoint>`. A webhook is verified, then written down in the record, then kept with its delivery;
 * the answer is 2xx only when both are committed, so that its sender sends again what was not. Who sends what was kept
 * before gets the same answer, and nothing more happens.
 */
export async function webhookRoutes(app: FastifyInstance, options: { gateway: Gateway }): Promise<void> {
  const { gateway } = options;
  // Of one event: the second of two that come at once finds what the first one kept.
  const events = new KeyedMutex();
  app.addHook('onSend', async (request, reply) => {
    void reply.headers(answerFields(callOf(request.raw)));
  });
  app.post<{ Params: { '*': string } }>(`${PATH}*`, {
    // Before any parser: the signature is over the bytes as they came, whatever they say they are.
    onRequest: async (request, reply) => {
      const call = callOf(request.raw);
      const refusal = await receive(call, request.params['*'], gateway, events);
      if (refusal === null) return reply.code(204).send();
      reply.hijack();
      return refuse(call, refusal, gateway);
    },
    handler: (_request, reply) => reply.callNotFound(),
  });
}

async function receive(
  call: Arrived,
  name: string,
  gateway: Gateway,
  events: KeyedMutex,
): Promise<Refusal | null> {
  const { webhooks } = gateway;
  const endpoint = webhooks?.endpoints.get(name);
  if (webhooks === undefined || endpoint === undefined)
    return { problem: 'unknown-operation', reason: 'unknown-page' };
  if ((call.bodyLength ?? 0) > MAX_BYTES) return TOO_LARGE;
  const { admission, interrupt } = gateway;
  // Nobody knows who sends one before its last byte: what comes in slowly gives way to what comes after it, and behind one
  // address there may be many.
  for (const [pool, units] of [
    [admission.webhooks, 1],
    [admission.bodyMemory, call.bodyLength ?? MAX_BYTES],
  ] as const) {
    const revocation = { ...whileUploading(call, pool, interrupt), replacesOwn: true };
    const lease = await admit(call, pool, `webhooks from ${addressKey(call)}`, units, revocation);
    if (!(lease instanceof Lease)) return lease;
  }
  return take(call, endpoint, webhooks, gateway, events);
}

async function take(
  call: Arrived,
  endpoint: WebhookEndpoint,
  webhooks: IncomingWebhooks,
  gateway: Gateway,
  events: KeyedMutex,
): Promise<Refusal | null> {
  const { request } = call;
  const { headers } = request;
  const keys = await endpoint.keysFor(headers);
  if (keys === 'unavailable') return unavailable('webhook-keys');
  // What its head alone shows to be no webhook is not worth its body.
  const verifyBody = readWebhookHead(keys, headers, Number(gateway.nowMicros() / 1000n));
  if (typeof verifyBody === 'string') return notVerified(verifyBody);
  sendContinue(call);
  const body = call.hasBody ? await readWhole(request, MAX_BYTES, TOO_LARGE) : Buffer.alloc(0);
  if (!Buffer.isBuffer(body)) return body;
  const verdict = verifyBody(body);
  if (!verdict.ok) return notVerified(verdict.reason);
  try {
    return await events.run(`${endpoint.name} ${verdict.id}`, () =>
      keep(call, endpoint, { ...verdict, body }, webhooks, gateway),
    );
  } catch (error) {
    gateway.log.error(
      { call_id: call.id, endpoint: endpoint.name, error: faultOf(error) },
      'a webhook could not be kept',
    );
    return unavailable('webhook-store');
  }
}

async function keep(
  call: Arrived,
  { name, scheme, attempts }: WebhookEndpoint,
  { id, timestamp, body }: { readonly id: string; readonly timestamp: number | null; readonly body: Buffer },
  { inbox }: IncomingWebhooks,
  gateway: Gateway,
): Promise<Refusal | null> {
  if (await inbox.has(name, id)) return null;
  const bodySha256 = createHash('sha256').update(body).digest();
  const written = await gateway.record.announce({
    kind: 'notice',
    result: 'webhook-received',
    atMicros: gateway.nowMicros(),
    environment: gateway.config.environment,
    release: gateway.release.id,
    subject: null,
    operation: null,
    problem: null,
    reason: null,
    keyId: null,
    detail: {
      endpoint: name,
      scheme,
      event: id,
      body_sha256: bodySha256.toString('hex'),
      bytes: String(body.length),
      request: call.id,
    },
  });
  if (written === 'late') return unavailable('webhook-record');
  const contentType = call.request.headers['content-type'] ?? null;
  const put = await inbox.put({
    endpoint: name,
    eventId: id,
    sentAt: timestamp,
    contentType,
    body,
    bodySha256,
    attempts,
  });
  gateway.log.info(
    { call_id: call.id, endpoint: name, bytes: body.length },
    put === 'kept' ? 'a webhook was kept' : 'a webhook had been kept by another gateway meanwhile',
  );
  return null;
}

const TOO_LARGE: Refusal = {
  problem: 'body-too-large',
  reason: 'webhook-size',
  detail: `A webhook may have ${MAX_BYTES} bytes.`,
};

/** Which part failed is for the log and the metrics: a forger learns nothing from the answer. */
function notVerified(reason: WebhookFault): Refusal {
  return {
    problem: 'webhook-not-verified',
    reason: `webhook-${reason}`,
    headers: { 'www-authenticate': 'Webhook-Signature realm="ideogate"' },
  };
}

function unavailable(reason: Reason): Refusal {
  return { problem: 'webhook-unavailable', reason, headers: { 'retry-after': '5' } };
}

/** Whether a path is that of an endpoint, known or not. */
export function isWebhookPath(path: string): boolean {
  return path.startsWith(PATH);
}

/** Endpoints to which Ideogram itself sends, by the address that callers give: those alone verify what Ideogram signs. */
export function webhookUrlsOf(
  identifier: string,
  webhooks: IncomingWebhooks | undefined,
): ReadonlySet<string> {
  const ours = [...(webhooks?.endpoints.values() ?? [])].filter(({ scheme }) => scheme === 'ideogram');
  return new Set(ours.map(({ name }) => `${identifier}${PATH}${name}`));
}
