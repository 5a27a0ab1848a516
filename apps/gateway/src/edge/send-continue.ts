import type { Call } from '../call.ts';

/**
 * Tells a caller that waits for it to send its body (RFC 9110 section 10.1.1). Behind an answer that is still to go
 * out on the same connection, Node would put the 100 into the middle of this call's own answer: it waits its turn.
 */
export function sendContinue({ awaitsContinue, response }: Call): void {
  if (!awaitsContinue || response === null) return;
  if (response.socket !== null) response.writeContinue();
  else
    response.once('socket', () => {
      if (!response.headersSent) response.writeContinue();
    });
}
