import type { Call } from '../call.ts';
import type { Gateway } from '../context.ts';

/** The longest line about a call whose caller isn't known, what the logger adds included. */
export const MOST_LOG_LINE_BYTES = 512;

/** The fields a log line may have: an allow-list, so that no header, body, query or token can get in. */
export function logCall(
  call: Call,
  ending: { result: string; problem: string | null; reason: string | null },
  gateway: Gateway,
): void {
  gateway.log.info(
    {
      call_id: call.id,
      trace_id: call.traceId,
      method: call.operation?.method ?? null,
      operation: call.operation?.id ?? null,
      subject: call.token?.subject ?? null,
      client_id: call.token?.clientId ?? null,
      result: ending.result,
      problem: ending.problem,
      reason: ending.reason,
      status: call.response?.headersSent ? call.response.statusCode : null,
      upstream_status: call.answer?.status ?? null,
      bytes_sent: call.bytesSent,
      bytes_received: call.answer?.bytes ?? 0,
      duration_ms: Math.round(performance.now() - call.arrivedAt),
    },
    'call',
  );
}
