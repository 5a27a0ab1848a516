import { endOf, type KeySearch, LOOKED_AT_AGAIN } from './key-search.ts';

/** Watches a stream of bytes for secrets. */
export interface LeakScan {
  /**
   * Takes the next chunk; returns the bytes that are safe to pass on, or `leak`. Holds back what could be the beginning
   * of a secret: at most its longest spelling and, once half of one is there, what may lie between its halves.
   */
  push(chunk: Uint8Array): Buffer | 'leak';
  /** How many bytes are held back. */
  readonly held: number;
  /** The bytes still held back when the stream ends. */
  end(): Buffer;
}

const NOTHING = Buffer.alloc(0);

/** A scan of one stream; a key that lies across two chunks is found too. */
export function scanWith(search: KeySearch): LeakScan {
  let held: Buffer = NOTHING;
  let passed: Uint8Array = NOTHING;
  return {
    push(chunk) {
      const bytes = held.length === 0 ? asBuffer(chunk) : Buffer.concat([held, chunk]);
      const { leak, safe } = search.in(bytes, passed);
      if (leak) return 'leak';
      held = safe === bytes.length ? NOTHING : bytes.subarray(safe);
      const passing = safe === bytes.length ? bytes : bytes.subarray(0, safe);
      // Copied: a few bytes would keep the whole chunk.
      passed = Buffer.from(endOf(passed, passing, LOOKED_AT_AGAIN));
      return passing;
    },
    get held() {
      return held.length;
    },
    end() {
      const rest = held;
      held = NOTHING;
      return rest;
    },
  };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
