import type { IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { Pace } from './rates.ts';
import { isBodySmall } from './request-body.ts';

/** Answers that cost us little, and whoever asks for them nothing: refusals and the unchanging pages. */
export class PacedAnswers {
  readonly #closing = new WeakSet<object>();

  /** Whether nothing on the connection is read any more, although it may have come together with what was answered last. */
  isClosing({ socket }: IncomingMessage): boolean {
    return this.#closing.has(socket);
  }

  /**
   * Waits for the answer's turn.
   * @returns the fields that it goes out with, or null when nobody is there any more
   */
  async turn(
    pace: Pace,
    key: string,
    request: IncomingMessage,
    isLast = false,
  ): Promise<Readonly<Record<string, string>> | null> {
    const wait = pace.take(key);
    // Who has to wait could have asked for hundreds more behind it, and each would be in hand at once.
    const close = wait > 0 || isLast || !isBodySmall(request);
    if (close) this.#closing.add(request.socket);
    if (wait > 0) await delay(wait);
    if (request.socket.destroyed) return null;
    return close ? { connection: 'close' } : {};
  }
}
