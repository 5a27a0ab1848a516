import { didYouMean, isProblemCode, PROBLEMS } from '@ideogate/contract';
import { decide } from '@ideogate/policy';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { callerKey, PARSING_LATE } from '../admission/admit.ts';
import { type Arrived, callOf } from '../call.ts';
import { answerFields } from '../edge/answer-fields.ts';
import { HEALTH, READY } from '../edge/system-paths.ts';
import { refuse } from '../finish/finish-call.ts';
import type { Gateway } from '../context.ts';
import { isRefusal, type Refusal } from '../refusal.ts';
import { AUTHENTICATION } from '../request-path.ts';
import type { Probes } from './probes.ts';
import { isWebhookPath } from './webhooks.ts';
import { HTML_FIELDS, prefersHtml, problemListPage, problemPage } from './problem-pages.ts';

/** The gateway's own pages: `/-/…` and `/.well-known/…`. They have no rows, except refused tokens at whoami. */
export async function systemRoutes(
  app: FastifyInstance,
  options: { gateway: Gateway; probes: Probes },
): Promise<void> {
  const { gateway, probes } = options;
  const { config, release } = gateway;

  app.addHook('onSend', async (request, reply) => {
    void reply.headers(answerFields(callOf(request.raw)));
  });

  /** HEAD as well: who asks so wants the status alone (RFC 9110 section 9.3.2). */
  const page = <Params = unknown>(
    url: string,
    handler: (request: FastifyRequest<{ Params: Params }>, reply: FastifyReply) => Promise<unknown>,
  ) => app.route<{ Params: Params }>({ method: ['GET', 'HEAD'], url, handler });

  for (const [url, answer] of [
    [HEALTH, probes.health],
    [READY, probes.ready],
  ] as const)
    page(url, async (_request, reply) => {
      const { status, type, body } = await answer();
      return reply.code(status).type(type).send(body);
    });

  page('/-/problems', async (request, reply) => {
    if (prefersHtml(request.headers.accept)) return reply.headers(HTML_FIELDS).send(problemListPage());
    return reply
      .header('vary', 'Accept')
      .send(Object.entries(PROBLEMS).map(([code, one]) => ({ code, ...one })));
  });

  page<{ code: string }>('/-/problems/:code', async (request, reply) => {
    const { code } = request.params;
    if (!isProblemCode(code)) {
      reply.hijack();
      return refuse(callOf(request.raw), unknownProblem(code), gateway);
    }
    if (prefersHtml(request.headers.accept)) return reply.headers(HTML_FIELDS).send(problemPage(code));
    const { status, title, remedy } = PROBLEMS[code];
    return reply.header('vary', 'Accept').send({ code, status, title, remedy });
  });

  page(new URL(gateway.metadataUrl).pathname, async () => ({
    resource: config.identifier,
    resource_name: `Ideogate, ${config.environment}`,
    authorization_servers: config.issuers,
    bearer_methods_supported: ['header'],
    scopes_supported: [...new Set(release.operations.flatMap((operation) => operation.scope ?? []))].sort(),
  }));

  page('/-/whoami', async (request, reply) => {
    const call = await AUTHENTICATION.walk(callOf(request.raw), gateway);
    if (isRefusal(call)) {
      reply.hijack();
      return refuse(callOf(request.raw), call, gateway);
    }
    const { token } = call;
    const caller = { issuer: token.issuer, subject: token.subject };
    // Deciding of every operation takes a while: it is the caller's own time.
    const answer = await gateway.admission.parsing.run(callerKey(call), () => {
      const operations = release.operations.map((operation) => {
        const ask = {
          environment: config.environment,
          caller,
          scopes: token.scopes,
          operation,
          quote: false,
        };
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
      return JSON.stringify({
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
    if (answer === 'late') {
      reply.hijack();
      return refuse(call, PARSING_LATE, gateway);
    }
    return reply.type('application/json; charset=utf-8').send(answer);
  });

  // Without these, http-proxy's routes would take what looks like a page of ours and is none.
  for (const url of ['/-/*', '/.well-known/*']) page(url, async (_request, reply) => reply.callNotFound());
}

/**
 * Pages are read, and webhooks are posted. Asked before any route or parser: what the body holds makes no difference.
 */
export function pageMethodRefusal(call: Arrived): Refusal | null {
  const allow = pageMethods(call);
  if (allow.split(', ').includes(call.method)) return null;
  return { problem: 'method-not-allowed', reason: 'own-page-method', headers: { allow } };
}

/** Which methods a page takes, asked before any route or parser as the page itself is (RFC 9110 section 9.3.7). */
export function answerOptions(call: Arrived, reply: FastifyReply): FastifyReply {
  return reply
    .code(204)
    .headers({ ...answerFields(call), allow: pageMethods(call) })
    .send();
}

/** The value of `Allow` (RFC 9110 section 10.2.1). */
function pageMethods({ path }: Arrived): string {
  return isWebhookPath(path) ? 'POST' : 'GET, HEAD, OPTIONS';
}

function unknownProblem(code: string): Refusal {
  const near = didYouMean(code, Object.keys(PROBLEMS));
  const hint = near === undefined ? 'All of them are at /-/problems.' : `Did you mean /-/problems/${near}?`;
  return {
    problem: 'unknown-operation',
    reason: 'unknown-page',
    detail: `There is no problem of this code. ${hint}`,
  };
}
