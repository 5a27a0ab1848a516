import httpProxy, { type FastifyHttpProxyOptions } from '@fastify/http-proxy';
import type { FastifyInstance } from 'fastify';
import { callerIsGone, callOf } from '../call.ts';
import { failForwarded, upstreamDone, watchCaller } from '../finish/finish-call.ts';
import type { Gateway } from '../context.ts';
import { createDispatcher, markedHeaders } from './dispatcher.ts';
import type { Exchange } from './exchange.ts';
import { responseFields } from './headers.ts';

const METHODS = ['DELETE', 'GET', 'PATCH', 'POST'] as const;

/** Ideogram's paths, at the gateway's root: @fastify/http-proxy with a dispatcher of ours beneath it. */
export async function forwarding(app: FastifyInstance, options: { gateway: Gateway }): Promise<void> {
  const { gateway } = options;
  const dispatcher = createDispatcher(gateway);
  app.addHook('onClose', () => dispatcher.destroy());
  // The dispatcher takes the body that `readBody` made; no parser may touch it.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));
  await app.register(httpProxy, {
    upstream: gateway.config.upstream.origin,
    httpMethods: [...METHODS],
    // What goes out is the dispatcher's to say: a target that reply-from would misread must not fail here (STACK trap 41).
    preRewrite: () => '/',
    undici: dispatcher as unknown as NonNullable<FastifyHttpProxyOptions['undici']>, // as: reply-from takes anything with `request`, its types do not say so
    // With a hook of its own, http-proxy adds no content type parsers.
    preValidation: (request, reply, done) => {
      const call = callOf(request.raw);
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
        failForwarded(callOf(reply.request.raw), error.cause ?? error, gateway);
      },
    },
  });
}
