import { TLSSocket } from 'node:tls';
import type { Call } from '../call.ts';

/**
 * Ends an answer before it is whole. To a caller of HTTP/1.0 the end of the connection is the end of the answer, so that
 * only a reset says that there was more (RFC 9112 section 8); over TLS the end that was not announced does.
 */
export function cutAnswer({ request, response }: Call): void {
  const socket = response?.socket ?? null;
  if (request?.httpVersion === '1.0' && socket !== null && !(socket instanceof TLSSocket))
    socket.resetAndDestroy();
  response?.destroy();
}
