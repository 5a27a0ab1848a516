import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, isIPv6 } from 'node:net';
import { isLoopback, type Method, type Operation } from '@ideogate/contract';
import { OPERATIONS } from '../catalogue/all.ts';
import { buildRouter, type Route } from '../catalogue/router.ts';
import { Account, type Call, promptOf } from './account.ts';
import { type Body, readBody } from './body.ts';
import { control, type Settings } from './control.ts';
import { acceptsKey, type EmulatorKeys, isConsoleOnly, WEB_SESSION } from './credentials.ts';
import { createFaultBox, type Fault, faultInPrompt, isFault, NO_FAULT, parseFault } from './faults.ts';
import { createLinks } from './links.ts';
import { drawPng } from './picture.ts';
import { createReceivedLog, type ReceivedEntry } from './received.ts';
import { type Answer, json } from './reply.ts';
import { answerEarly, send } from './send.ts';
import { validate } from './validate.ts';
import { createWebhooks } from './webhooks.ts';

/** How an emulator is to be. */
export interface EmulatorOptions {
  /** A loopback address; 127.0.0.1 if not given. */
  readonly host?: string;
  /** 0, the default, takes any free port. */
  readonly port?: number;
  readonly keys: EmulatorKeys;
  /** Calls with a key at one time; the next gets 429. */
  readonly inFlight?: number;
  readonly linkTtlSeconds?: number;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

/** An emulator that listens. */
export interface Emulator {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  readonly port: number;
  /** Cuts what is still running, and stops. */
  close(): Promise<void>;
}

/**
 * Starts a server that answers as Ideogram's API does, on loopback only.
 * @throws RangeError when the host is not loopback; the system's error when the port is taken.
 */
export async function createEmulator(options: EmulatorOptions): Promise<Emulator> {
  const host = options.host ?? '127.0.0.1';
  if (!isLoopback(host)) throw new RangeError(`the emulator listens on loopback only, not on ${host}`);
  const now = options.now ?? Date.now;
  const settings: Settings = {
    inFlight: options.inFlight ?? 10,
    linkTtlSeconds: options.linkTtlSeconds ?? 3600,
    keys: options.keys,
  };
  let origin = '';
  const links = createLinks(() => origin, randomBytes(32), now);
  const webhooks = createWebhooks(now);
  const account = new Account({ links, webhooks, linkTtlSeconds: () => settings.linkTtlSeconds, now });
  const received = createReceivedLog(now);
  const faults = createFaultBox();
  const router = buildRouter(OPERATIONS);
  let running = 0;

  const server = createServer({ keepAliveTimeout: 65_000 });
  server.on('request', (request, response) => void handle(request, response, false));
  server.on('checkContinue', (request, response) => void handle(request, response, true));
  server.listen(options.port ?? 0, host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo; // as: listening on TCP
  origin = `http://${isIPv6(host) ? `[${host}]` : host}:${port}`;

  return {
    url: origin,
    port,
    async close() {
      const closed = once(server, 'close');
      webhooks.stop();
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };

  async function handle(request: IncomingMessage, response: ServerResponse, asksToContinue: boolean) {
    request.on('error', () => {});
    response.on('error', () => {});
    try {
      const target = request.url ?? '/';
      if (target.startsWith('/-/')) {
        if (asksToContinue) response.writeContinue();
        await control(request, response, { settings, faults, received });
        return;
      }
      await answer(request, response, asksToContinue, received.begin(request));
    } catch {
      // The caller left in the middle of its request: its entry stays incomplete, and nobody is there to answer.
      response.destroy();
    }
  }

  async function answer(
    request: IncomingMessage,
    response: ServerResponse,
    asksToContinue: boolean,
    entry: ReceivedEntry,
  ): Promise<void> {
    const [path = '', search = ''] = (request.url ?? '').split(/\?(.*)/s);
    const query = new URLSearchParams(search);
    const key = headerOf(request, 'api-key');
    const fault = perCallFault(request) ?? faults.take(request.method ?? '', path);
    if (fault.earlyClose !== undefined) return answerEarly(response, fault.earlyClose.status, entry);

    const found = imageAt(request) ?? findOperation(router.find(path), request, query);
    const refused = 'status' in found;
    if (asksToContinue && refused) {
      // The body was announced, not sent: without the 100 it won't come on this connection.
      response.setHeader('Connection', 'close');
      return send(response, found, fault, key, entry);
    }
    if (asksToContinue) response.writeContinue();
    if (!refused && found.operation.capability !== 'none') {
      running++;
      response.once('close', () => {
        running--;
      });
    }
    const body = await readBody(request, entry);
    if (refused) return send(response, found, fault, key, entry);

    const { answer: result, fault: asked } = perform({ ...found, query }, body, fault);
    if (asked.earlyClose !== undefined) return answerEarly(response, asked.earlyClose.status, entry);
    return send(response, result, asked, key, entry);
  }

  /** Checks the body and does the call, unless a fault (the prompt may ask for one) answers in its place. */
  function perform(
    call: Omit<Call, 'request'>,
    body: Body,
    fault: Fault,
  ): { readonly answer: Answer; readonly fault: Fault } {
    if (body.kind === 'bad') return { answer: json(body.status, { error: body.why }), fault };
    const request = validate(call.operation, body, call.query);
    if ('rejected' in request) return { answer: json(400, { error: request.rejected }), fault };
    const asked = fault === NO_FAULT ? faultInPrompt(promptOf(request)) : fault;
    const runs = asked.status === undefined && asked.redirect === undefined;
    return { answer: runs ? account.perform({ ...call, request }) : json(200, {}), fault: asked };
  }

  /** The image behind a link, or its refusal; undefined when the target is no link. */
  function imageAt(request: IncomingMessage): Answer | undefined {
    const picture = links.open(request.url ?? '');
    if (picture === undefined) return undefined;
    return picture === 'refused' || request.method !== 'GET'
      ? json(403, { error: 'The link is not valid, or has expired.' })
      : { status: 200, contentType: 'image/png', body: drawPng(picture) };
  }

  /** The operation and its parameters, or the answer that refuses the call before its body is looked at. */
  function findOperation(
    route: Route | undefined,
    request: IncomingMessage,
    query: URLSearchParams,
  ): { readonly operation: Operation; readonly params: Route['params'] } | Answer {
    if (route === undefined) return notFound();
    const operation = route.methods.get(request.method as Method); // as: a Map lookup takes any string
    if (operation === undefined) return json(405, { error: 'Method not allowed.' });
    const session = headerOf(request, 'authorization') === `Bearer ${WEB_SESSION}`;
    const needsKey = operation.capability !== 'none' || operation.closed !== null;
    const byKey =
      !isConsoleOnly(operation) &&
      acceptsKey(settings.keys, headerOf(request, 'api-key'), operation, query.get('dry_run') === 'true');
    if (needsKey && !session && !byKey) {
      const status = operation.keyRefusedStatus.at(-1) ?? 401;
      return json(status, { message: 'Access denied. Please verify your API Token is valid.' });
    }
    if (operation.capability !== 'none' && running >= settings.inFlight) {
      return tooMany(operation, settings.inFlight);
    }
    return { operation, params: route.params };
  }
}

function tooMany({ path }: Operation, most: number): Answer {
  return path.startsWith('/v2/')
    ? json(429, {
        error: 'Too many requests in flight.',
        reject_reason: 'inflight_limit',
        max_inflight_requests: most,
        task_completion_speed: 'fast',
      })
    : json(429, { error: 'Too many requests in flight.' });
}

function notFound(): Answer {
  return json(404, { error: 'Not found.' });
}

/** The fault that one call asks for by header. */
function perCallFault(request: IncomingMessage): Fault | undefined {
  const text = headerOf(request, 'emulator-fault');
  if (text === '') return undefined;
  try {
    const fault = parseFault(JSON.parse(text));
    return isFault(fault) ? fault : undefined;
  } catch {
    return undefined;
  }
}

function headerOf(request: IncomingMessage, name: string): string {
  const value = request.headers[name];
  return typeof value === 'string' ? value : '';
}
