import type { Call } from './call.ts';
import type { Gateway } from './context.ts';

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

/** Where code of ours failed: class and place. Never the message, which may quote a key, a token or what a caller sent. */
export function faultOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  const { name, message, stack = '' } = error;
  const frames = stack
    .slice(stack.indexOf(message) + message.length)
    .split('\n')
    .filter((line) => FRAME.test(line));
  return [/^[A-Za-z]{1,40}$/.test(name) ? name : 'Error', ...frames.slice(0, 3)].join(' ');
}

const FRAME = /^ {4}at .*(?:file:|node:|\/)[^ ]*:\d+:\d+\)?$/;
