/** Watches a stream of bytes for secrets. */
export interface LeakScan {
  /**
   * Takes the next chunk; returns the bytes that are safe to pass on, or `leak`. Holds back at most one byte less
   * than the longest secret: a tail that could be the beginning of one.
   */
  push(chunk: Buffer): Buffer | 'leak';
  /** The bytes still held back when the stream ends. */
  end(): Buffer;
}

const NOTHING = Buffer.alloc(0);

export function scanForSecrets(needles: readonly Buffer[]): LeakScan {
  let held: Buffer = NOTHING;
  return {
    push(chunk) {
      const bytes = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
      if (needles.some((needle) => bytes.includes(needle))) return 'leak';
      const keep = Math.max(0, ...needles.map((needle) => prefixAtEnd(bytes, needle)));
      held = keep === 0 ? NOTHING : bytes.subarray(bytes.length - keep);
      return keep === 0 ? bytes : bytes.subarray(0, bytes.length - keep);
    },
    end() {
      const rest = held;
      held = NOTHING;
      return rest;
    },
  };
}

/** Length of the longest proper prefix of `needle` that `bytes` ends with. */
function prefixAtEnd(bytes: Buffer, needle: Buffer): number {
  const first = needle[0] ?? 0;
  let at = Math.max(0, bytes.length - needle.length + 1);
  for (;;) {
    at = bytes.indexOf(first, at);
    if (at === -1) return 0;
    const length = bytes.length - at;
    if (bytes.compare(needle, 0, length, at) === 0) return length;
    at++;
  }
}
