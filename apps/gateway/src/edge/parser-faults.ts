import type { Duplex } from 'node:stream';
import { didYouMean } from '@ideogate/contract';
import type { Call } from '../call.ts';
import type { Gateway } from '../context.ts';
import { CLIENT_DISCONNECTED, type Refusal } from '../refusal.ts';
import { connectionOf } from './connection.ts';
import { interruptCall, refuseOnSocket } from './refuse-on-socket.ts';

/** Node's parser gave up on what a peer sent (RFC 9112 section 2.2): the row is made here. */
export function onClientError(error: NodeJS.ErrnoException, socket: Duplex, gateway: Gateway): void {
  const connection = connectionOf(socket);
  if (connection === undefined) {
    // TLS was never agreed on, so that no call began: counted, and without a row.
    gateway.countWithoutRow('tls-handshake');
    socket.destroy();
    return;
  }
  // The rest of bytes that could not be read: their answer is on its way, and ends the connection.
  if (connection.isEnding) return;
  const { calls, unfinished, requestLines } = connection;
  if (unfinished !== undefined && error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && requestLines.isHeldBack) {
    timeAgain(unfinished, () => onClientError(error, socket, gateway), gateway);
    return;
  }
  connection.isEnding = true;
  requestLines.stop();
  if (!connection.bringsMore && error.code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    // Connected and never asked for anything: no call, whose row would let idle sockets fill the record.
    gateway.countWithoutRow('idle-connection');
    socket.destroy();
    return;
  }
  const refusal = parserRefusal(error);
  if (unfinished !== undefined)
    interruptCall(unfinished, endedByPeer(error) ? CLIENT_DISCONNECTED : refusal, connection, gateway);
  // A peer that goes after its answers, or before them, asks for nothing more: its calls tell of it.
  else if (error.code === 'ECONNRESET' && (calls.length > 0 || !connection.bringsMore)) socket.destroy();
  else refuseOnSocket(connection, null, refusal, gateway);
}

/** What the gateway itself held back counts against nobody: Node's clock has run, and the request gets its time once more. */
function timeAgain(call: Call, onLate: () => void, { config }: Gateway): void {
  const isLate = () => call.request?.complete === false;
  const timer = setTimeout(() => isLate() && onLate(), config.limits.requestMs);
  timer.unref();
  call.request?.once('close', () => clearTimeout(timer));
}

/** The connection ended in the middle of a message: nothing is wrong with the bytes that came. */
function endedByPeer(error: NodeJS.ErrnoException): boolean {
  return error.code === 'HPE_INVALID_EOF_STATE' || error.code === 'ECONNRESET';
}

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
