import type { IncomingMessage } from 'node:http';
import { CALLER_LEFT, type Refusal } from '../refusal.ts';

/**
 * The whole body, or the first refusal. The request is left alive: its connection still carries the answer.
 * @param look sees each chunk before it is kept
 */
export function readWhole(
  request: IncomingMessage,
  maxBytes: number,
  tooLarge: Refusal,
  look: (chunk: Buffer) => Refusal | null = () => null,
): Promise<Buffer | Refusal> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const done = (result: Buffer | Refusal) => {
      request.off('data', onData).off('end', onEnd).off('close', onClose);
      if (!Buffer.isBuffer(result)) request.pause();
      resolve(result);
    };
    const onData = (chunk: Buffer) => {
      size += chunk.length;
      const refusal = size > maxBytes ? tooLarge : look(chunk);
      if (refusal === null) chunks.push(chunk);
      else done(refusal);
    };
    const onEnd = () => done(chunks.length === 1 ? (chunks[0] ?? NOTHING) : Buffer.concat(chunks, size));
    const onClose = () => done(CALLER_LEFT);
    if (request.destroyed) done(CALLER_LEFT);
    else request.on('data', onData).once('end', onEnd).once('close', onClose);
  });
}

const NOTHING = Buffer.alloc(0);
