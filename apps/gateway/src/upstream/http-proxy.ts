import type { IncomingHttpHeaders } from 'node:http';
import httpProxy, { type FastifyHttpProxyOptions } from '@fastify/http-proxy';
import type { FastifyInstance } from 'fastify';
import { type Call, callerIsGone, callOf, type Decided, isDecided } from '../call.ts';
import type { Gateway } from '../context.ts';
import { failForwarded, upstreamDone, watchCaller } from '../finish/finish-call.ts';
import { createDispatcher } from './dispatcher.ts';
import type { Exchange, HeadCallback } from './exchange.ts';
import { responseFields } from './headers.ts';
import { failureOf } from './upstream-problem.ts';

/*
 * All that crosses between us and @fastify/http-proxy, with @fastify/reply-from beneath it.
 *
 * It routes Ideogram's methods at the gateway's root, asks for each call that the steps let through once, by what we give it
 * as `undici`, and hands the head of the answer, or the error, back to the hooks below.
 *
 * We do the rest, for it would change targets, fields and bodies on their way, and try again:
 * - what goes out, and to where: it gets an empty set of fields that carries the call (`markedHeaders`) and a target that
 *   it cannot misread; `dispatcher.ts` sends the call's own method, target, fields and body, with the key;
 * - the body of the answer: what it takes for the body is the exchange, which writes to the caller itself (`exchange.ts`);
 * - the fields of the answer (`responseFields`), and every answer of ours in place of one (`finish/finish-call.ts`).
 */

const METHODS = ['DELETE', 'GET', 'PATCH', 'POST'] as const;

/** Carries the call through the set of fields down to the dispatcher; no field can have this name. */
const CALL: unique symbol = Symbol('call');

type MarkedHeaders = IncomingHttpHeaders & { readonly [CALL]?: Call };

/** Ideogram's paths, at the gateway's root: @fastify/http-proxy with a dispatcher of ours beneath it. */
export async function forwarding(app: FastifyInstance, options: { gateway: Gateway }): Promise<void> {
  const { gateway } = options;
  const dispatcher = createDispatcher(gateway);
  const undici = {
    request({ headers }: { readonly headers: MarkedHeaders }, onHead: HeadCallback): void {
      const call = headers[CALL];
      if (call === undefined) throw new Error('a request without a call reached the dispatcher');
      dispatcher.send(call, onHead);
    },
    destroy: () => dispatcher.destroy(),
  };
  app.addHook('onClose', () => dispatcher.destroy());
  // The dispatcher takes the body that `readBody` made; no parser may touch it.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));
  await app.register(httpProxy, {
    upstream: gateway.config.upstream.origin,
    httpMethods: [...METHODS],
    // What goes out is the dispatcher's to say: a target that reply-from would misread must not fail here (STACK trap 41).
    preRewrite: () => '/',
    undici: undici as unknown as NonNullable<FastifyHttpProxyOptions['undici']>, // as: reply-from takes anything with `request`, its types do not say so
    // With a hook of its own, http-proxy adds no content type parsers.
    preValidation: (request, reply, done) => {
      const call = decidedCall(request.raw);
      watchCaller(call, gateway);
      if (!callerIsGone(call)) {
        done();
        return;
      }
      call.callerEnd = 'left';
      reply.hijack();
      upstreamDone(call, 'left', gateway);
    },
    replyOptions: {
      rewriteRequestHeaders: (request) => markedHeaders(callOf(request.raw)),
      rewriteHeaders: (headers, request) =>
        request === undefined ? {} : responseFields(headers, callOf(request.raw)),
      onResponse(_request, reply, answered) {
        reply.hijack();
        const exchange = (answered as unknown as { stream: Exchange }).stream; // as: what the dispatcher gave as the body
        exchange.deliver(reply.statusCode, reply.getHeaders() as Record<string, string>); // as: `responseFields` makes texts
      },
      // A paid call goes out once, whatever the upstream answers.
      retryDelay: () => null,
      onError(reply, { error }) {
        reply.hijack();
        failForwarded(decidedCall(reply.request.raw), failureOf(error.cause ?? error), gateway);
      },
    },
  });
}

/** The type of a call does not go through fastify's hooks: it is looked at again behind them. */
function decidedCall(request: object): Decided {
  const call = callOf(request);
  if (!isDecided(call)) throw new Error('a call that was not decided came to be forwarded');
  return call;
}

/** The set of fields that http-proxy passes on: empty but for the call it belongs to. */
function markedHeaders(call: Call): IncomingHttpHeaders {
  const marked: MarkedHeaders = { [CALL]: call };
  return marked;
}
