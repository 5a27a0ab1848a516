import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Duplex } from 'node:stream';
import { faultOf } from '@ideogate/contract';
import { type Call, learn, newCall, rememberCall } from '../call.ts';
import type { GatewayConfig } from '../config.ts';
import type { Gateway } from '../context.ts';
import { isRefusal } from '../refusal.ts';
import { originOfRequest } from './caller-address.ts';
import type { CallsInFlight } from './calls-in-flight.ts';
import { followCertificate } from './certificate.ts';
import { type Connection, connectionOf, openConnection } from './connection.ts';
import { letConnectionsIn } from './let-connections-in.ts';
import { READ_AHEAD } from './listen.ts';
import { closed, interruptUpload, refuseOnSocket, refuseSurplus } from './refuse-on-socket.ts';
import { isProbe } from './system-paths.ts';
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
  // After all who are told of connections: they are told of those that were let in.
  letConnectionsIn(server, {
    proxies: config.trustedProxies,
    maxPerAddress: limits.maxSocketsPerAddress,
    proxyHeaderMs: limits.headersMs,
    onOpen: (socket, origin) => watchForHalfRequests(openConnection(socket, origin), gateway()),
    onSurplus: (socket) => refuseSurplus(socket, gateway()),
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
    const connection = connectionOf(socket);
    if (connection === undefined) return void socket.destroy();
    connection.isEnding = true;
    connection.requestLines.stop();
    trackTunnel(connection);
    refuseOnSocket(connection, request, { problem: 'upgrade-refused', reason: 'connect' }, gateway());
  });
  return server;
}

async function admit(
  request: IncomingMessage,
  response: ServerResponse,
  gateway: Gateway,
  application: Application,
): Promise<void> {
  const connection = connectionOf(request.socket);
  if (connection === undefined) throw new Error('a request came on a connection that was not let in');
  // It is closing with the answer to a fault: what comes late, or behind that, is not acted on.
  if (connection.isEnding) return;
  const origin = originOfRequest(connection.origin, request.rawHeaders, gateway.config.trustedProxies);
  const call = learn(newCall(gateway.newCallId(), performance.now(), origin, request, response), {
    request,
    response,
    method: request.method ?? '',
  });
  // Now: what comes next on this connection has a line of its own.
  call.requestLine = connection.requestLines.take(request);
  // RFC 9112 section 6.1: never chunks to a caller of HTTP/1.0, not even to one that says it would take them.
  if (request.httpVersion === '1.0') response.useChunkedEncodingByDefault = false;
  gateway.remember(call);
  const ahead = connection.calls.at(-1);
  connection.trackRequest(call);
  response.once('close', () => leftWithoutEnding(call, gateway));
  if (ahead !== undefined) await itsTurn(ahead, connection);
  const arrived = await gateway.arrivals.arrive(call);
  if (isRefusal(arrived)) return gateway.arrivals.refuse(call, arrived);
  const refusal = isProbe(arrived) ? null : gateway.admissionRefusal();
  if (refusal !== null) return gateway.arrivals.refuse(call, refusal);
  rememberCall(arrived);
  application(request, response);
}

/** The gateway's own pages end with their response and have no outcome. */
function leftWithoutEnding(call: Call, gateway: Gateway): void {
  if (call.decidedAt === null) gateway.forget(call);
}

/**
 * Node lets go of a connection that asks for a tunnel: nobody would see its caller leave, and the answers that wait for
 * their turn on it would never close, nor their calls end.
 */
function trackTunnel({ socket, calls: ahead }: Connection): void {
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
function watchForHalfRequests(connection: Connection, gateway: Gateway): void {
  connection.socket.once('close', () => {
    if (connection.calls.length > 0 || connection.isEnding || !connection.bringsMore) return;
    connection.isEnding = true;
    refuseOnSocket(connection, null, { problem: null, reason: 'half-request' }, gateway);
  });
}

/**
 * One connection is served one request at a time (RFC 9112 section 9.3.2 lets a server do so): those behind hold nothing of
 * what callers share, so that pipelining gets nobody more than opening connections does. While one waits, none is read.
 */
async function itsTurn(ahead: Call, { requestLines }: Connection): Promise<void> {
  requestLines.holdBack();
  await closed(ahead);
  requestLines.goOn();
}
