import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { type Call, newCall, type Origin } from '../call.ts';
import type { Gateway } from '../context.ts';
import { isRefusal, type Refusal } from '../refusal.ts';
import { answerOnSocket } from './answer-on-socket.ts';
import { originOfRequest } from './caller-address.ts';
import { type Connection, connectionOf } from './connection.ts';
import { cutAnswer } from './cut-answer.ts';

/**
 * Refuses what never became a request that the application sees: with a row, and an answer on the bare socket behind those
 * that are ahead.
 * @param request null where not even its head could be read
 */
export function refuseOnSocket(
  { socket, origin: connection, calls: ahead }: Connection,
  request: IncomingMessage | null,
  refusal: Refusal,
  gateway: Gateway,
): void {
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

/** One connection too many: nothing was asked on it yet, so it is summed with others and has no row. */
export function refuseSurplus(socket: Socket, gateway: Gateway): void {
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
  const socket: Socket | null | undefined = call.request?.socket; // null once the request is destroyed, whatever its type says
  const connection = socket === null || socket === undefined ? undefined : connectionOf(socket);
  if (connection === undefined || connection.isEnding) return;
  connection.isEnding = true;
  interruptCall(call, refusal, connection, gateway);
}

/** The fault lies in the body of a call that has its name already: its own ending tells of it, in its one row. */
export function interruptCall(call: Call, refusal: Refusal, connection: Connection, gateway: Gateway): void {
  const { socket } = connection;
  call.interruption = refusal;
  if (refusal.problem === null || call.response?.headersSent !== false) {
    cutAnswer(call);
    socket.destroy();
    return;
  }
  // One that is refused already has its row: that refusal is its answer, and closes the connection.
  if (call.ended) return;
  afterAnswersTo(connection.ahead(call), () => {
    if (call.response?.headersSent === false) answerOnSocket(call, refusal, socket, gateway);
    else socket.destroy();
  });
}

/** Answers come in the order of the requests. At once when nobody is ahead. */
function afterAnswersTo(ahead: readonly Call[], act: () => void): void {
  if (ahead.length === 0) act();
  else void Promise.all(ahead.map(closed)).then(act);
}

/** Resolves once the answer to a call is out, or its connection gone. */
export function closed(call: Call): Promise<void> {
  const { response } = call;
  if (response === null || response.closed) return Promise.resolve();
  return new Promise((resolve) => {
    response.once('close', () => resolve());
  });
}
