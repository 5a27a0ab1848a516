import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Duplex } from 'node:stream';
import type { Socket } from 'node:net';
import { didYouMean, faultOf } from '@ideogate/contract';
import { type Call, learn, newCall, rememberCall } from '../call.ts';
import type { CallsInFlight } from './calls-in-flight.ts';
import type { GatewayConfig } from '../config.ts';
import type { Gateway } from '../context.ts';
import { isProbe } from './system-paths.ts';
import { CLIENT_DISCONNECTED, isRefusal, type Refusal } from '../refusal.ts';
import { answerOnSocket } from './answer-on-socket.ts';
import { cutAnswer } from './cut-answer.ts';
import { followCertificate } from './certificate.ts';
import { READ_AHEAD } from './lines.ts';
import { letConnectionsIn, originOf } from './connections.ts';
import { type Origin, originOfRequest } from './caller-address.ts';
import {
  followRequestLines,
  goOn,
  holdBack,
  isHeldBack,
  stopFollowing,
  takeRequestLine,
} from './request-lines.ts';
import { watchUploads } from './uploads.ts';

type Application = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * The one way in. Whatever arrives is named here and walks the arrival steps before the application sees it, and
 * whatever Node's parser refuses, upgrades or tunnels ends here with its row, for no hook runs for those.
 */
export function createListener(
  config: GatewayConfig,
  inFlight: CallsInFlight,
  gateway: () => Gateway,
  application: Application,
): Server {
  const { limits, listen } = config;
  const options: ServerOptions = {
    insecureHTTPParser: false,
    // Checked by `readHead`, which leaves a row; Node would answer on its own.
    requireHostHeader: false,
    maxHeaderSize: limits.maxHeaderBytes,
    headersTimeout: limits.headersMs,
    requestTimeout: limits.requestMs,
    keepAliveTimeout: limits.idleMs,
    connectionsCheckingInterval: Math.min(1000, limits.headersMs),
    noDelay: true,
    highWaterMark: READ_AHEAD,
  };
  const server =
    listen.tls === null
      ? createServer(options)
      : createTlsServer({ ...options, handshakeTimeout: limits.headersMs });
  const connected = listen.tls === null ? 'connection' : 'secureConnection';
  server.on(connected, (socket: Socket) => {
    followRequestLines(socket);
    watchForHalfRequests(socket, gateway());
  });
  // After all who are told of connections: they are told of those that were let in.
  letConnectionsIn(server, {
    proxies: config.trustedProxies,
    maxPerAddress: limits.maxSocketsPerAddress,
    proxyHeaderMs: limits.headersMs,
    onSurplus: (socket) => refuseSocket(socket, gateway()),
    onProxyFault(socket, fault) {
      gateway().countWithoutRow(fault);
      socket.destroy();
    },
  });
  const stopWatching = watchUploads(inFlight, limits, (call, reason) =>
    interruptUpload(call, { problem: 'request-timeout', reason }, gateway()),
  );
  server.once('close', stopWatching);
  if (listen.tls !== null) followCertificate(server, listen.tls, gateway);
  const arrive = (request: IncomingMessage, response: ServerResponse) => {
    admit(request, response, gateway(), application).catch((error: unknown) => {
      // why: even this could not be answered; the connection is all that is left to end
      gateway().log.error({ error: faultOf(error) }, 'a call could not be ended');
      response.destroy();
    });
  };
  server.on('request', arrive);
  server.on('checkContinue', arrive);
  server.on('checkExpectation', arrive);
  server.on('connect', (request: IncomingMessage, socket: Duplex) => {
    SEEN.add(socket);
    stopFollowing(request.socket);
    const ahead = PROGRESS.get(socket)?.calls ?? [];
    trackTunnel(socket, ahead);
    turnAway(request, socket, { problem: 'upgrade-refused', reason: 'connect' }, gateway(), ahead);
  });
  return server;
}

async function admit(
  request: IncomingMessage,
  response: ServerResponse,
  gateway: Gateway,
  application: Application,
): Promise<void> {
  // Its connection is closing with the answer to a fault: what comes late, or behind that, is not acted on.
  if (SEEN.has(request.socket)) return;
  const origin = originOfRequest(originOf(request.socket), request.rawHeaders, gateway.config.trustedProxies);
  const call = learn(newCall(gateway.newCallId(), performance.now(), origin, request, response), {
    request,
    response,
    method: request.method ?? '',
  });
  // Now: what comes next on this connection has a line of its own.
  call.requestLine = takeRequestLine(request);
  // RFC 9112 section 6.1: never chunks to a caller of HTTP/1.0, not even to one that says it would take them.
  if (request.httpVersion === '1.0') response.useChunkedEncodingByDefault = false;
  gateway.remember(call);
  const ahead = PROGRESS.get(request.socket)?.calls.at(-1);
  trackRequest(call, request.socket);
  response.once('close', () => leftWithoutEnding(call, gateway));
  if (ahead !== undefined) await itsTurn(ahead, request.socket);
  const arrived = await gateway.arrivals.arrive(call);
  if (isRefusal(arrived)) return gateway.arrivals.refuse(call, arrived);
  const refusal = isProbe(arrived) ? null : gateway.admissionRefusal();
  if (refusal !== null) return gateway.arrivals.refuse(call, refusal);
  rememberCall(arrived);
  application(request, response);
}

/** One connection too many: nothing was asked on it yet, so it is summed with others and has no row. */
function refuseSocket(socket: Socket, gateway: Gateway): void {
  const refusal: Refusal = {
    problem: 'too-many-requests',
    reason: 'address-sockets',
    detail: `This address holds ${gateway.config.limits.maxSocketsPerAddress} connections, the limit of each address. Close one, or use it again.`,
    headers: { 'retry-after': '1' },
  };
  gateway.countWithoutRow(refusal.reason);
  socket.on('error', () => socket.destroy());
  // Before TLS there are no words that the peer would understand.
  if (gateway.config.listen.tls !== null) socket.destroy();
  else
    answerOnSocket(
      newCall(gateway.newCallId(), performance.now(), null, null, null),
      refusal,
      socket,
      gateway,
    );
}

/** Ends a call whose body is still coming, whatever it has come to, for a reason that lies in no byte of it. */
export function interruptUpload(call: Call, refusal: Refusal, gateway: Gateway): void {
  const socket = call.request?.socket;
  if (socket === undefined || SEEN.has(socket)) return;
  SEEN.add(socket);
  const ahead = (PROGRESS.get(socket)?.calls ?? []).filter((other) => other !== call);
  interrupt(call, refusal, socket, gateway, ahead);
}

/** The gateway's own pages end with their response and have no outcome. */
function leftWithoutEnding(call: Call, gateway: Gateway): void {
  if (call.decidedAt === null) gateway.forget(call);
}

/** Node's parser gave up on what a peer sent (RFC 9112 section 2.2): the row is made here. */
export function onClientError(error: NodeJS.ErrnoException, socket: Duplex, gateway: Gateway): void {
  // The rest of bytes that could not be read: their answer is on its way, and ends the connection.
  if (SEEN.has(socket)) return;
  if (!PROGRESS.has(socket)) {
    // TLS was never agreed on, so that no call began: counted, and without a row.
    gateway.countWithoutRow('tls-handshake');
    socket.destroy();
    return;
  }
  const open = PROGRESS.get(socket)?.calls ?? [];
  const half = open.find((call) => call.request?.complete === false);
  if (half !== undefined && error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && isHeldBack(socket)) {
    timeAgain(half, () => onClientError(error, socket, gateway), gateway);
    return;
  }
  SEEN.add(socket);
  stopFollowing(socket);
  if (!bringsMore(socket) && error.code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    // Connected and never asked for anything: no call, whose row would let idle sockets fill the record.
    gateway.countWithoutRow('idle-connection');
    socket.destroy();
    return;
  }
  const refusal = parserRefusal(error);
  if (half !== undefined) {
    const ahead = open.filter((call) => call !== half);
    interrupt(half, endedByPeer(error) ? CLIENT_DISCONNECTED : refusal, socket, gateway, ahead);
  }
  // A peer that goes after its answers, or before them, asks for nothing more: its calls tell of it.
  else if (error.code === 'ECONNRESET' && (open.length > 0 || !bringsMore(socket))) socket.destroy();
  else turnAway(null, socket, refusal, gateway, open);
}

/** What the gateway itself held back counts against nobody: Node's clock has run, and the request gets its time once more. */
function timeAgain(call: Call, onLate: () => void, { config }: Gateway): void {
  const isLate = () => call.request?.complete === false;
  const timer = setTimeout(() => isLate() && onLate(), config.limits.requestMs);
  timer.unref();
  call.request?.once('close', () => clearTimeout(timer));
}

/** The fault lies in the body of a call that has its name already: its own ending tells of it, in its one row. */
function interrupt(
  call: Call,
  refusal: Refusal,
  socket: Duplex,
  gateway: Gateway,
  ahead: readonly Call[] = [],
): void {
  call.interruption = refusal;
  if (refusal.problem === null || call.response?.headersSent !== false) {
    cutAnswer(call);
    socket.destroy();
    return;
  }
  // One that is refused already has its row: that refusal is its answer, and closes the connection.
  if (call.ended) return;
  afterAnswersTo(ahead, () => {
    if (call.response?.headersSent === false) answerOnSocket(call, refusal, socket, gateway);
    else socket.destroy();
  });
}

/** Answers come in the order of the requests. At once when nobody is ahead. */
function afterAnswersTo(ahead: readonly Call[], act: () => void): void {
  if (ahead.length === 0) act();
  else void Promise.all(ahead.map(closed)).then(act);
}

/** The connection ended in the middle of a message: nothing is wrong with the bytes that came. */
function endedByPeer(error: NodeJS.ErrnoException): boolean {
  return error.code === 'HPE_INVALID_EOF_STATE' || error.code === 'ECONNRESET';
}

/** Sockets whose fault already has its row. */
const SEEN = new WeakSet<Duplex>();

function parserRefusal(error: NodeJS.ErrnoException): Refusal {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return { problem: 'headers-too-large', reason: 'header-overflow' };
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return { problem: 'request-timeout', reason: 'request-timeout' };
    case 'ECONNRESET':
      return { problem: null, reason: 'connection-reset' };
    case 'HPE_INVALID_EOF_STATE':
      return { problem: 'invalid-request', reason: 'half-request', detail: 'The request is not whole.' };
    case 'HPE_INVALID_METHOD':
      return unknownMethod(error) ?? UNPARSABLE;
    default:
      return UNPARSABLE;
  }
}

const UNPARSABLE: Refusal = {
  problem: 'invalid-request',
  reason: 'unparsable',
  detail: 'The bytes are not one HTTP request.',
};

/** A request line whose method Node's parser does not know (RFC 9110 section 9.1); null for just any bytes. */
function unknownMethod(error: object): Refusal | null {
  const { rawPacket, bytesParsed } = error as { rawPacket?: unknown; bytesParsed?: unknown }; // as: what Node's parser adds to its errors, missing in its type
  if (!(rawPacket instanceof Buffer) || typeof bytesParsed !== 'number') return null;
  const text = rawPacket.toString('latin1');
  const lineStart = text.lastIndexOf('\n', bytesParsed) + 1;
  const line = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) \S+ HTTP\/1\.[01]\r\n/.exec(text.slice(lineStart));
  if (line === null) return null;
  const near = didYouMean(line[1] ?? '', METHODS);
  const detail = near === undefined ? {} : { detail: `There is no such method. Did you mean ${near}?` };
  return { problem: 'method-not-implemented', reason: 'unknown-method', ...detail };
}

/** Those of the API, and of our own pages. */
const METHODS = ['GET', 'POST', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'];

function turnAway(
  request: IncomingMessage | null,
  socket: Duplex,
  refusal: Refusal,
  gateway: Gateway,
  ahead: readonly Call[] = [],
): void {
  const connection = originOf(socket);
  const origin: Origin =
    request === null
      ? unnamed(connection, gateway)
      : originOfRequest(connection, request.rawHeaders, gateway.config.trustedProxies);
  socket.on('error', () => socket.destroy());
  const call = newCall(gateway.newCallId(), performance.now(), origin, request, null);
  gateway.remember(call);
  gateway.arrivals
    .limitUnread(call)
    .then(async (limited) => {
      const final = isRefusal(limited) ? limited : refusal;
      await gateway.arrivals.refuse(call, final);
      // Answers come in the order of the requests: those ahead on this connection go first.
      await Promise.all(ahead.map(closed));
      answerOnSocket(call, final, socket, gateway);
    })
    .catch(() => socket.destroy());
}

/** What could not be read says nothing of who is behind a proxy: it counts as the proxy's, which is named as one. */
function unnamed(connection: Origin, gateway: Gateway): Origin {
  const isProxy = gateway.config.trustedProxies.formOf(connection.address) !== null;
  return isProxy ? { ...connection, proxy: connection.proxy ?? connection.address } : connection;
}

/** What a connection has brought so far: calls under way, and the bytes read when the last one ended. */
interface Progress {
  calls: readonly Call[];
  bytes: number;
}

const PROGRESS = new WeakMap<Duplex, Progress>();

/**
 * Node lets go of a connection that asks for a tunnel: nobody would see its caller leave, and the answers that wait for
 * their turn on it would never close, nor their calls end.
 */
function trackTunnel(socket: Duplex, ahead: readonly Call[]): void {
  socket.once('end', () => socket.end()).resume();
  socket.once('close', () => {
    for (const { response } of ahead) {
      if (response === null || response.closed || response.socket !== null) continue;
      response.destroyed = true;
      response.emit('close');
    }
  });
}

/** Half a header and then nothing: no event of Node's tells the application. */
function watchForHalfRequests(socket: Socket, gateway: Gateway): void {
  // A header of the PROXY protocol came before, and is nobody's request.
  const progress: Progress = { calls: [], bytes: bytesOf(socket) - socket.readableLength };
  PROGRESS.set(socket, progress);
  socket.once('close', () => {
    if (progress.calls.length > 0 || SEEN.has(socket) || socket.bytesRead <= progress.bytes) return;
    SEEN.add(socket);
    turnAway(null, socket, { problem: null, reason: 'half-request' }, gateway);
  });
}

function bytesOf(socket: Duplex & { bytesRead?: number }): number {
  return socket.bytesRead ?? 0;
}

/** Bytes have come since the last call ended. */
function bringsMore(socket: Duplex & { bytesRead?: number }): boolean {
  return bytesOf(socket) > (PROGRESS.get(socket)?.bytes ?? 0);
}

/**
 * One connection is served one request at a time (RFC 9112 section 9.3.2 lets a server do so): those behind hold nothing of
 * what callers share, so that pipelining gets nobody more than opening connections does. While one waits, none is read.
 */
async function itsTurn(ahead: Call, socket: Socket): Promise<void> {
  holdBack(socket);
  await closed(ahead);
  goOn(socket);
}

function trackRequest(call: Call, socket: Duplex): void {
  const progress = PROGRESS.get(socket);
  if (progress === undefined) return;
  progress.calls = [...progress.calls, call];
  const over = () => {
    progress.calls = progress.calls.filter((other) => other !== call);
    progress.bytes = bytesOf(socket);
  };
  call.response?.once('close', () => {
    // What is still to come of a body already refused is no request of its own.
    if (call.request?.complete === false) call.request.once('close', over);
    else over();
  });
}

function closed(call: Call): Promise<void> {
  const { response } = call;
  if (response === null || response.closed) return Promise.resolve();
  return new Promise((resolve) => {
    response.once('close', () => resolve());
  });
}
