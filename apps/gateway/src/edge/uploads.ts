import type { Call } from '../call.ts';

/** Follows bodies as they come in. */
export interface UploadWatch {
  follow(call: Call): void;
  stop(): void;
}

interface Upload {
  readonly call: Call;
  /** Bytes that the connection had brought when last looked at, and when that last changed. */
  bytes: number;
  since: number;
}

/**
 * Tells of uploads whose caller sends nothing for `idleMs` while the gateway waits for more. What the gateway itself
 * holds back (a decision to be written, an upstream that is slow to take) counts against nobody. One timer looks at
 * all of them, so that a call costs none.
 */
export function watchUploads(idleMs: number, onIdle: (call: Call) => void): UploadWatch {
  const uploads = new Set<Upload>();
  const look = () => {
    const now = performance.now();
    for (const upload of uploads) {
      const { request } = upload.call;
      if (request === null || request.complete || request.destroyed || upload.call.ended) {
        uploads.delete(upload);
        continue;
      }
      const { bytesRead } = request.socket;
      const awaited = request.readableFlowing === true || request.listenerCount('readable') > 0;
      if (!awaited || bytesRead !== upload.bytes) {
        upload.bytes = bytesRead;
        upload.since = now;
      } else if (now - upload.since >= idleMs) {
        uploads.delete(upload);
        onIdle(upload.call);
      }
    }
  };
  const timer = setInterval(look, Math.min(1000, idleMs / 2));
  timer.unref();
  return {
    follow(call) {
      uploads.add({ call, bytes: -1, since: performance.now() });
    },
    stop: () => clearInterval(timer),
  };
}
