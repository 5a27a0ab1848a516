import type { IncomingMessage } from 'node:http';
import { ByteBuffer } from '@ideogate/request-body';
import { CLIENT_DISCONNECTED, type Refusal } from '../refusal.ts';

/** Bytes: as many as one read of a socket brings. Of a body that is refused for what it begins with no more is ever held. */
const FIRST_BLOCK = 65_536;

type Look = (chunk: Buffer) => Refusal | null | Promise<Refusal | null>;

/**
 * The whole body in one block, or the first refusal. The request is left alive: its connection still carries the answer.
 * @param look sees each chunk before it is kept; while it takes its time no more is read
 */
export function readWhole(
  request: IncomingMessage,
  maxBytes: number,
  tooLarge: Refusal,
  look: Look = () => null,
): Promise<Buffer | Refusal> {
  return new Promise((resolve, reject) => {
    // One block, however small the chunks: each of its own would cost more than what it holds.
    const { 'content-length': length } = request.headers;
    const block = new ByteBuffer(Math.min(maxBytes, Number(length ?? maxBytes)), FIRST_BLOCK);
    const stop = () => request.off('data', onData).off('end', onEnd).off('close', onClose);
    const done = (result: Buffer | Refusal) => {
      stop();
      if (!Buffer.isBuffer(result)) request.pause();
      resolve(result);
    };
    /** A chunk is being looked at; the end may come meanwhile, pause or not. */
    let looking = false;
    let ended = false;
    const keep = (chunk: Buffer, refusal: Refusal | null) => {
      if (refusal !== null) done(refusal);
      else if (!block.add(chunk)) done(tooLarge);
    };
    let size = 0;
    const onData = (chunk: Buffer) => {
      size += chunk.length;
      const looked = size > maxBytes ? tooLarge : look(chunk);
      if (!(looked instanceof Promise)) return keep(chunk, looked);
      request.pause();
      looking = true;
      looked.then(
        (refusal) => {
          looking = false;
          keep(chunk, refusal);
          if (refusal !== null) return;
          if (ended) onEnd();
          else request.resume();
        },
        (error: unknown) => {
          stop();
          reject(error instanceof Error ? error : new Error('a body could not be read'));
        },
      );
    };
    const onEnd = () => {
      ended = true;
      if (looking) return;
      const { buffer, byteOffset, byteLength } = block.bytes();
      done(Buffer.from(buffer, byteOffset, byteLength));
    };
    const onClose = () => {
      if (!ended) done(CLIENT_DISCONNECTED);
    };
    if (request.destroyed) done(CLIENT_DISCONNECTED);
    else request.on('data', onData).once('end', onEnd).once('close', onClose);
  });
}
