import { monitorEventLoopDelay } from 'node:perf_hooks';

/** What the gateway's process tells of itself. */
export interface Vitals {
  /** Microseconds since its start. */
  readonly cpuMicros: number;
  /** Bytes; the highest resident set since its start, by the system's books. */
  readonly peakRss: number;
  /** Bytes. */
  readonly rss: number;
  /** Milliseconds that the event loop was late at worst since it was last asked. */
  readonly stallMs: number;
}

// Loaded into the gateway's process before anything of its own (`--import`), so that what is measured is the product.
const RESOLUTION_MS = 5;
const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delays.enable();
process.on('message', (question) => {
  if (question !== 'vitals') return;
  const { user, system } = process.cpuUsage();
  process.send?.({
    cpuMicros: user + system,
    peakRss: process.resourceUsage().maxRSS * 1024,
    rss: process.memoryUsage.rss(),
    stallMs: Math.max(0, delays.max / 1e6 - RESOLUTION_MS),
  } satisfies Vitals);
  delays.reset();
});
// Who measures is gone: it stops as it would for its operator.
process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'));
// What is measured must end when it has nothing to do, as without this.
process.channel?.unref();
