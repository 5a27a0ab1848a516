import type { Call } from '../call.ts';
import type { CallsInFlight } from '../calls-in-flight.ts';

/** How an upload stood when it was last looked at. */
interface Progress {
  /** Bytes that the connection had brought, and since when that is so. */
  readonly bytes: number;
  readonly since: number;
}

/**
 * Tells of uploads whose caller sends nothing for `idleMs` while the gateway waits for more. What the gateway itself
 * holds back (a decision to be written, an upstream that is slow to take) counts against nobody. One timer looks at
 * the calls in flight, so that a call costs none, and one that is over is held by nobody.
 * @returns ends the watch
 */
export function watchUploads(
  inFlight: CallsInFlight,
  idleMs: number,
  onIdle: (call: Call) => void,
): () => void {
  let uploads = new Map<Call, Progress>();
  const look = () => {
    const now = performance.now();
    const before = uploads;
    uploads = new Map();
    for (const call of inFlight.now().filter(isUnderWay)) {
      const bytes = call.request?.socket.bytesRead ?? 0;
      const last = before.get(call);
      if (last === undefined || bytes !== last.bytes || !isAwaited(call))
        uploads.set(call, { bytes, since: now });
      else if (now - last.since < idleMs) uploads.set(call, last);
      else onIdle(call);
    }
  };
  const timer = setInterval(look, Math.min(1000, idleMs / 2));
  timer.unref();
  return () => clearInterval(timer);
}

function isUnderWay({ hasBody, ended, request }: Call): boolean {
  return hasBody && !ended && request !== null && !request.complete && !request.destroyed;
}

/** Somebody reads the body. */
function isAwaited({ request }: Call): boolean {
  return request?.readableFlowing === true || (request?.listenerCount('readable') ?? 0) > 0;
}
