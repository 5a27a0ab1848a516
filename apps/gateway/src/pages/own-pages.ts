import { isProblemCode, PROBLEMS } from '@ideogate/contract';
import { decide } from '@ideogate/policy';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type Call, callOf } from '../call.ts';
import { refuse } from '../endings.ts';
import type { Gateway } from '../context.ts';
import type { Refusal } from '../refusal.ts';
import { walk } from '../request-path.ts';
import { admitAddress, admitCaller } from '../steps/admit.ts';
import { authenticate } from '../steps/authenticate.ts';
import { brakeSubject } from '../steps/brake.ts';
import { isWebhookPath } from '../webhook-door.ts';

/** The gateway's own pages: `/-/…` and `/.well-known/…`. They have no rows, except refused tokens at whoami. */
export async function ownPages(app: FastifyInstance, options: { gateway: Gateway }): Promise<void> {
  const { gateway } = options;
  const { config, release } = gateway;

  app.addHook('onSend', async (request, reply) => {
    void reply.header('cache-control', 'no-store').header('ideogate-call-id', callOf(request.raw).id);
  });

  /** HEAD as well: who asks so wants the status alone (RFC 9110 section 9.3.2). */
  const page = <Params = unknown>(
    url: string,
    handler: (request: FastifyRequest<{ Params: Params }>, reply: FastifyReply) => Promise<unknown>,
  ) => app.route<{ Params: Params }>({ method: ['GET', 'HEAD'], url, handler });

  page('/-/health', async () => ({ status: 'alive' }));

  page('/-/ready', async (_request, reply) => {
    const checks = await readiness(gateway);
    const ok = Object.values(checks).every((check) => check.ok);
    return reply.code(ok ? 200 : 503).send({ status: ok ? 'ready' : 'not ready', checks });
  });

  page('/-/problems', async () => Object.entries(PROBLEMS).map(([code, problem]) => ({ code, ...problem })));

  page<{ code: string }>('/-/problems/:code', async (request, reply) => {
    const { code } = request.params;
    if (!isProblemCode(code)) return reply.callNotFound();
    const { status, title, remedy } = PROBLEMS[code];
    return reply.send({ code, status, title, remedy });
  });

  page(new URL(gateway.metadataUrl).pathname, async () => ({
    resource: config.identifier,
    resource_name: `Ideogate, ${config.environment}`,
    authorization_servers: config.issuers,
    bearer_methods_supported: ['header'],
    scopes_supported: [...new Set(release.operations.flatMap((operation) => operation.scope ?? []))].sort(),
  }));

  page('/-/whoami', async (request, reply) => {
    const call = callOf(request.raw);
    const refusal = await walk([admitAddress, authenticate, admitCaller, brakeSubject], call, gateway);
    if (refusal !== null) {
      reply.hijack();
      return refuse(call, refusal, gateway);
    }
    const { token } = call;
    if (token === null) return reply.callNotFound();
    const caller = { issuer: token.issuer, subject: token.subject };
    const operations = release.operations.map((operation) => {
      const ask = { environment: config.environment, caller, scopes: token.scopes, operation, quote: false };
      const decision = decide(release, ask);
      return decision.allow
        ? {
            operation: operation.id,
            method: operation.method,
            path: operation.path,
            allowed: decision.level,
            scope: decision.scope,
            rule: decision.rule,
          }
        : {
            operation: operation.id,
            method: operation.method,
            path: operation.path,
            allowed: 'none',
            scope: decision.scope,
            rule: decision.rule,
            detail: decision.detail,
          };
    });
    return reply.send({
      environment: config.environment,
      issuer: token.issuer,
      subject: token.subject,
      client_id: token.clientId,
      scope: [...token.scopes].sort().join(' '),
      expires_at: new Date(token.expiresAt * 1000).toISOString(),
      release: release.id,
      operations,
    });
  });

  // Without these, http-proxy's routes would take what looks like a page of ours and is none.
  for (const url of ['/-/*', '/.well-known/*']) page(url, async (_request, reply) => reply.callNotFound());
}

/**
 * Pages are read, and webhooks are posted. Asked before any route or parser: what the body holds makes no difference.
 */
export function pageMethodRefusal(call: Call): Refusal | null {
  const allow = pageMethods(call);
  if (allow.split(', ').includes(call.method ?? '')) return null;
  return { problem: 'method-not-allowed', reason: 'own-page-method', headers: { allow } };
}

/** Which methods a page takes, asked before any route or parser as the page itself is (RFC 9110 section 9.3.7). */
export function answerOptions(call: Call, reply: FastifyReply): FastifyReply {
  const fields = { allow: pageMethods(call), 'cache-control': 'no-store', 'ideogate-call-id': call.id };
  return reply.code(204).headers(fields).send();
}

/** The value of `Allow` (RFC 9110 section 10.2.1). */
function pageMethods({ path }: Call): string {
  return path !== null && isWebhookPath(path) ? 'POST, OPTIONS' : 'GET, HEAD, OPTIONS';
}

interface Check {
  readonly ok: boolean;
  readonly detail: string;
}

async function readiness(gateway: Gateway): Promise<Record<string, Check>> {
  const [record, issuers] = await Promise.all([gateway.record.ready(), gateway.verifier.ready()]);
  const stopping = gateway.closedDoor()?.reason === 'stopping';
  const suspects = gateway.keys.suspects();
  const missing = gateway.keys.missing();
  const deaf = issuers.filter((issuer) => !issuer.ok);
  return {
    listener: { ok: !stopping, detail: stopping ? 'stopping' : 'accepting calls' },
    record,
    ...(gateway.checkpoints === undefined ? {} : { checkpoints: gateway.checkpoints.ready() }),
    ...(gateway.kills === undefined ? {} : { orders: gateway.kills.ready() }),
    keys: {
      ok: suspects.length === 0 && missing.length === 0,
      detail:
        missing.length > 0
          ? `no ${missing.join(' and no ')} key`
          : suspects.length === 0
            ? 'not refused so far'
            : `refused by the upstream: ${suspects.join(', ')}`,
    },
    issuers: {
      ok: deaf.length === 0,
      detail:
        deaf.length === 0
          ? `${issuers.length} key sets at hand`
          : deaf.map((one) => `${one.issuer}: ${one.detail}`).join('; '),
    },
  };
}
