import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Call } from '../call.ts';
import type { Gateway } from '../context.ts';
import { isTold, type Refusal } from '../refusal.ts';
import { problemAnswer } from './problem-document.ts';

/** Answers on a bare socket, where the parser gave us no response to write to, and ends the connection. */
export function answerOnSocket(call: Call, refusal: Refusal, socket: Duplex, gateway: Gateway): void {
  if (!isTold(refusal) || !socket.writable) {
    socket.destroy();
    return;
  }
  const { status, fields, body } = problemAnswer(refusal, call, gateway);
  const head = Object.entries({ ...fields, connection: 'close' }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  const content = call.method === 'HEAD' ? '' : body;
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${head.join('')}\r\n${content}`, () =>
    socket.destroy(),
  );
}
