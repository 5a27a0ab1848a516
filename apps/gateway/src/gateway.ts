import { randomUUIDv7 } from 'node:crypto';
import type { Server as NetServer } from 'node:net';
import type { CallId } from '@ideogate/contract';
import { buildRouter } from '@ideogate/ideogram';
import Fastify, { type FastifyInstance } from 'fastify';
import { createAdmission, resourcesOf } from './admission/admission.ts';
import { releaseLeases } from './admission/admit.ts';
import { createAnonymousRowBudget } from './admission/anonymous-row-budget.ts';
import { createRateLimits } from './admission/rate-limits.ts';
import { callOf, isDecided } from './call.ts';
import { CallsInFlight } from './edge/calls-in-flight.ts';
import type { GatewayConfig } from './config.ts';
import type { Gateway, GatewayDeps } from './context.ts';
import { isPreflight, preflightFields, preflightRefusal } from './edge/cross-origin.ts';
import { createListener } from './edge/listener.ts';
import { onClientError } from './edge/parser-faults.ts';
import { interruptUpload } from './edge/refuse-on-socket.ts';
import { followSockets } from './edge/sockets.ts';
import { isSystemPath } from './edge/system-paths.ts';
import { ownHosts } from './edge/target.ts';
import { cutAnswer } from './edge/cut-answer.ts';
import { cutForStop, failForwarded, refuse } from './finish/finish-call.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { answerOptions, systemRoutes, pageMethodRefusal } from './routes/system.ts';
import { webhookRoutes, webhookUrlsOf } from './routes/webhooks.ts';
import { forwarding } from './upstream/http-proxy.ts';
import { createProbes, type Probes } from './routes/probes.ts';
import { isRefusal, type Refusal } from './refusal.ts';
import { ARRIVAL, DECISION, SYSTEM_PAGE, UNREAD } from './request-path.ts';
import { failureOf } from './upstream/upstream-problem.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** What listens on its port besides its own server. */
    readonly ideogateListeners: NetServer[];
    readonly ideogateMetrics: Metrics;
    readonly ideogateProbes: Probes;
  }
}

/**
 * The data plane of one environment. The caller listens and closes it; closing lets calls in flight end for
 * `drainMs`, cuts what still runs, and returns when every outcome is queued. The record is the caller's to close.
 *
 * @throws CatalogueError, ConfigError
 */
export async function createGateway(config: GatewayConfig, deps: GatewayDeps): Promise<FastifyInstance> {
  const calls = new CallsInFlight();
  let stopping = false;
  let gateway: Gateway | undefined;
  const ready = () => {
    if (gateway === undefined) throw new Error('the gateway is not ready');
    return gateway;
  };

  const app = Fastify({
    logger: false,
    exposeHeadRoutes: false,
    bodyLimit: config.limits.maxBodyBytes,
    forceCloseConnections: 'idle',
    // Calls that come while it stops are refused by the listener, in our words; who asks whether it lives is told so.
    return503OnClosing: false,
    // The same bound holds for what `preClose` does: 10 seconds, the default, would break off the drain with an error.
    pluginTimeout: config.limits.drainMs + STOP_MS,
    routerOptions: { maxParamLength: config.limits.maxTargetBytes },
    serverFactory: (application) => createListener(config, calls, ready, application),
    clientErrorHandler: (error, socket) => onClientError(error, socket, ready()),
    frameworkErrors: (_error, request) => {
      void refuse(callOf(request.raw), { problem: 'invalid-target', reason: 'framework' }, ready());
    },
  });
  const sockets = followSockets(app.server);
  const rateLimits = await createRateLimits(app, config);
  const admission = createAdmission(config, (...done) => metrics.claimed(...done));
  const metrics: Metrics = createMetrics({
    pools: resourcesOf(admission),
    inFlight: () => calls.size,
    waiting: () => deps.record.waiting(),
    notWritten: () => deps.record.notWritten(),
    limitsShared: () => rateLimits.shared(),
    killOrders: () => deps.kills?.active().length ?? 0,
    keyAges: () => deps.keyAges?.() ?? [],
    lastCheckpoint: () => deps.checkpoints?.last() ?? null,
    exports: deps.exports ?? [],
    undelivered: () => deps.webhooks?.undelivered() ?? null,
  });
  gateway = {
    ...deps,
    config,
    router: buildRouter(deps.release.operations),
    rateLimits,
    admission,
    metrics,
    anonymousRows: createAnonymousRowBudget(config.limits.anonymousRowBytes),
    metadataUrl: metadataUrlOf(config.identifier),
    webhookUrls: webhookUrlsOf(config.identifier, deps.webhooks),
    isOwnHost: ownHosts(config.identifier),
    arrivals: {
      arrive: (call) => ARRIVAL.walk(call, ready()),
      limitUnread: (call) => UNREAD.walk(call, ready()),
      refuse: (call, refusal) => refuse(call, refusal, ready()),
    },
    newCallId: () => randomUUIDv7() as CallId, // as: it makes what the brand says
    remember: (call) => calls.add(call),
    countWithoutRow(reason) {
      metrics.refused(reason);
      deps.record.countRefusal(reason);
    },
    forget(call) {
      calls.delete(call);
      releaseLeases(call);
    },
    interrupt: (call, refusal) => interruptUpload(call, refusal, ready()),
    admissionRefusal() {
      return stopping
        ? { problem: 'shutting-down', reason: 'stopping', headers: { 'retry-after': '1' } }
        : null;
    },
  };

  const probes = createProbes(gateway);
  app.decorate('ideogateListeners', []);
  app.decorate('ideogateMetrics', metrics);
  app.decorate('ideogateProbes', probes);
  app.addHook('onRequest', async (request, reply) => {
    const call = callOf(request.raw);
    const own = isSystemPath(call.path);
    const preflight = isPreflight(call);
    // Nothing of Ideogram's is asked, so that it is a page of ours, and has no row.
    if (preflight && call.pageOrigin !== null) return reply.code(204).headers(preflightFields(call)).send();
    const answer = preflight
      ? preflightRefusal(config.pageOrigins)
      : own
        ? (pageMethodRefusal(call) ?? (await SYSTEM_PAGE.walk(call, ready())))
        : await DECISION.walk(call, ready());
    if (!isRefusal(answer)) {
      if (own && call.method === 'OPTIONS') return answerOptions(call, reply);
      if (!own) metrics.decided(performance.now() - call.arrivedAt);
      return;
    }
    reply.hijack();
    await refuse(call, answer, ready());
  });
  app.setErrorHandler(async (error, request, reply) => {
    reply.hijack();
    const call = callOf(request.raw);
    // Its very ending failed: the connection is all that is left to end, or the call would wait for ever.
    if (call.ended) cutAnswer(call);
    else if (!isDecided(call))
      await refuse(call, { problem: 'internal-error', reason: 'unexpected' }, ready());
    else failForwarded(call, failureOf(error), ready());
  });
  app.setNotFoundHandler(async (request, reply) => {
    reply.hijack();
    const call = callOf(request.raw);
    const own = isSystemPath(call.path);
    await refuse(call, own ? { problem: 'unknown-operation', reason: 'unknown-page' } : UNREACHABLE, ready());
  });
  await app.register(systemRoutes, { gateway, probes });
  await app.register(webhookRoutes, { gateway });
  await app.register(forwarding, { gateway });
  app.addHook('preClose', async () => {
    stopping = true;
    await allEnded(calls, config.limits.drainMs);
    for (const call of calls.now()) cutForStop(call);
    await allEnded(calls, 2000);
    // Node looks at no timeout once it closes: half a head, or an answer nobody reads, would hold the stop for ever.
    await sockets.end(LINGER_MS);
    await allEnded(calls, 2000);
    for (const line of app.ideogateListeners) line.close();
  });
  return app;
}

/** More than all that a stop does once the drain is over can take, and enough to start in; milliseconds. */
const STOP_MS = 20_000;

/** Time for the last answers before a stop to reach their callers, milliseconds. */
const LINGER_MS = 500;

/** The steps refuse what has no route; whoever sees this found a fault of ours. */
const UNREACHABLE: Refusal = { problem: 'internal-error', reason: 'no-route' };

/** RFC 9728 section 3.1: the well-known path goes between host and the identifier's own path. */
function metadataUrlOf(identifier: string): string {
  const { origin, pathname } = new URL(identifier);
  return `${origin}/.well-known/oauth-protected-resource${pathname === '/' ? '' : pathname}`;
}

async function allEnded(calls: CallsInFlight, milliseconds: number): Promise<void> {
  const until = performance.now() + milliseconds;
  while (calls.size > 0 && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 20));
}
