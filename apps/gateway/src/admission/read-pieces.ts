import type { BodyReader, RequestFault } from '@ideogate/request-body';
import type { LoopTime } from './loop-time.ts';

/** Bytes that a reader gets at once: the worst of them take well under a millisecond. */
const PIECE_BYTES = 16_384;

/**
 * Hands a chunk to a reader in pieces, each in its caller's share of the event loop's time; at once while the loop has
 * time. The fault, null when all is well so far, or `late`.
 */
export function readPieces(
  loop: LoopTime,
  key: string,
  reader: BodyReader,
  chunk: Uint8Array,
): RequestFault | null | 'late' | Promise<RequestFault | null | 'late'> {
  for (let at = 0; at < chunk.length; at += PIECE_BYTES) {
    const piece = chunk.subarray(at, at + PIECE_BYTES);
    const found = loop.run(key, () => reader.push(piece));
    if (found instanceof Promise) return rest(found, loop, key, reader, chunk, at + PIECE_BYTES);
    if (found !== null) return found;
  }
  return null;
}

async function rest(
  first: Promise<RequestFault | null | 'late'>,
  loop: LoopTime,
  key: string,
  reader: BodyReader,
  chunk: Uint8Array,
  from: number,
): Promise<RequestFault | null | 'late'> {
  const found = await first;
  return found === null ? readPieces(loop, key, reader, chunk.subarray(from)) : found;
}
