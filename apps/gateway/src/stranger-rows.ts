/**
 * How many refusals of callers without a valid token may have rows of their own in one window. The limit per address
 * stops one stranger; this stops as many of them as there are addresses from filling the disk.
 */
export interface StrangerRows {
  /** Whether one more may have its row. */
  take(): boolean;
}

/**
 * @param now monotonic milliseconds
 */
export function createStrangerRows(
  perWindow: number,
  windowMs: number,
  now: () => number = () => performance.now(),
): StrangerRows {
  let began = now();
  let taken = 0;
  return {
    take() {
      if (now() - began >= windowMs) {
        began = now();
        taken = 0;
      }
      if (taken >= perWindow) return false;
      taken++;
      return true;
    },
  };
}
