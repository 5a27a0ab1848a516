/** What a measured process tells of itself. CPU in microseconds since its start, memory in bytes. */
export interface Usage {
  readonly cpuMicros: number;
  readonly rss: number;
  /** Highest resident set since the last `reset`. */
  readonly peakRss: number;
}

const LOOK_EVERY_MS = 2;

/** Answers the bench's questions over the IPC channel: `usage`, `reset` (watch the peak from here on), `stop`. */
export function tellUsage(stop: () => Promise<void>): void {
  let peak = 0;
  let look: NodeJS.Timeout | undefined;
  process.on('message', (question) => {
    if (question === 'stop') {
      void stop().finally(() => process.exit(0));
      return;
    }
    // Looking costs time: only while a peak is asked for.
    clearInterval(look);
    if (question === 'reset') {
      globalThis.gc?.();
      peak = process.memoryUsage.rss();
      look = setInterval(() => {
        peak = Math.max(peak, process.memoryUsage.rss());
      }, LOOK_EVERY_MS);
    }
    const { user, system } = process.cpuUsage();
    const rss = process.memoryUsage.rss();
    process.send?.({ cpuMicros: user + system, rss, peakRss: Math.max(peak, rss) } satisfies Usage);
  });
  process.on('disconnect', () => process.exit(0));
}

/** Tells the bench where the process listens. */
export function tellReady(url: string): void {
  process.send?.({ url });
}
