import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { Pace } from './rates.ts';

/** Answers that cost us little, and whoever asks for them nothing: refusals and the unchanging pages. */
export class PacedAnswers {
  readonly #closing = new WeakSet<Duplex>();

  /** Whether nothing on the connection is read any more, although it may have come together with what was answered last. */
  isClosing(socket: Duplex): boolean {
    return this.#closing.has(socket);
  }

  /**
   * Waits for the answer's turn.
   * @param isLast whether the connection ends with it in any case
   * @returns the fields that it goes out with, or null when nobody is there any more
   */
  async turn(
    pace: Pace,
    key: string,
    socket: Duplex,
    isLast: boolean,
  ): Promise<Readonly<Record<string, string>> | null> {
    const wait = pace.take(key);
    // Who has to wait could have asked for hundreds more behind it, and each would be in hand at once.
    const close = wait > 0 || isLast;
    if (close) this.#closing.add(socket);
    if (wait > 0) await delay(wait);
    if (socket.destroyed) return null;
    return close ? { connection: 'close' } : {};
  }
}
