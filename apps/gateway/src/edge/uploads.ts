import { type Call, isUploading } from '../call.ts';
import type { CallsInFlight } from './calls-in-flight.ts';
import type { GatewayConfig } from '../config.ts';

/** How an upload stood when it was last looked at. */
interface Progress {
  /** Bytes that the connection had brought. */
  readonly bytes: number;
  /** Since when that is so, monotonic milliseconds. */
  readonly since: number;
  /** Awaited milliseconds of the window in which its speed is measured, and the bytes at the window's beginning. */
  readonly awaitedMs: number;
  readonly bytesBefore: number;
}

/**
 * Tells of uploads whose caller sends nothing for `bodyIdleMs`, or less than `minBodyBytesPerSecond` over so long a time,
 * while the gateway waits for more. What the gateway itself holds back (a decision to be written, an upstream that is slow
 * to take) counts against nobody. One timer looks at the calls in flight, so that a call costs none, and one that is over
 * is held by nobody.
 * @returns ends the watch
 */
export function watchUploads(
  inFlight: CallsInFlight,
  {
    bodyIdleMs,
    minBodyBytesPerSecond,
  }: Pick<GatewayConfig['limits'], 'bodyIdleMs' | 'minBodyBytesPerSecond'>,
  onSlow: (call: Call, reason: 'body-idle' | 'body-slow') => void,
): () => void {
  let uploads = new Map<Call, Progress>();
  let lastLook = performance.now();
  const leastBytes = (minBodyBytesPerSecond * bodyIdleMs) / 1000;
  const look = () => {
    const now = performance.now();
    const passed = now - lastLook;
    lastLook = now;
    const before = uploads;
    uploads = new Map();
    for (const call of inFlight.now().filter(isUploading)) {
      const bytes = call.request?.socket.bytesRead ?? 0;
      const last = before.get(call) ?? { bytes: -1, since: now, awaitedMs: -passed, bytesBefore: bytes };
      const awaited = isAwaited(call);
      const since = bytes !== last.bytes || !awaited ? now : last.since;
      const awaitedMs = last.awaitedMs + (awaited ? passed : 0);
      if (now - since >= bodyIdleMs) onSlow(call, 'body-idle');
      else if (awaitedMs < bodyIdleMs)
        uploads.set(call, { bytes, since, awaitedMs, bytesBefore: last.bytesBefore });
      else if (bytes - last.bytesBefore < leastBytes) onSlow(call, 'body-slow');
      else uploads.set(call, { bytes, since, awaitedMs: 0, bytesBefore: bytes });
    }
  };
  const timer = setInterval(look, Math.min(1000, bodyIdleMs / 2));
  timer.unref();
  return () => clearInterval(timer);
}

/** Somebody reads the body. */
function isAwaited({ request }: Call): boolean {
  return request?.readableFlowing === true || (request?.listenerCount('readable') ?? 0) > 0;
}
