import type { AuditWriter } from '@ideogate/audit/append';
import type { EnvironmentName, NoticeEvent } from '@ideogate/contract';
import { type AuthenticationFailure, type FailureSum, FailureSums } from '@ideogate/issuer';

/** Failed client authentications on record. */
export interface FailuresOnRecord {
  failed(failure: AuthenticationFailure): void;
  summed(sums: readonly FailureSum[]): void;
  /** Writes the sums that wait. */
  stop(): void;
}

/**
 * Writes each failure that the issuer tells of as a notice, and those without rows of their own as sums, one for each reason
 * and client in `summaryMs`: together they are exact.
 */
export function recordFailures(
  record: Pick<AuditWriter, 'note'>,
  options: { readonly environment: EnvironmentName; readonly release: string; readonly summaryMs: number },
): FailuresOnRecord {
  const waiting = new FailureSums();
  const note = (about: Pick<NoticeEvent, 'atMicros' | 'subject' | 'reason' | 'detail'>) =>
    record.note({
      kind: 'notice',
      result: 'client-authentication-failed',
      environment: options.environment,
      release: options.release,
      operation: null,
      problem: null,
      keyId: null,
      ...about,
    });
  const write = () => {
    for (const { reason, clientId, count, fromMs, toMs } of waiting.take())
      note({
        atMicros: BigInt(Date.now()) * 1000n,
        subject: clientId,
        reason,
        detail: { count: String(count), from: isoOf(fromMs), to: isoOf(toMs) },
      });
  };
  const timer = setInterval(write, options.summaryMs);
  timer.unref();
  return {
    failed: ({ reason, clientId, address, atMs }) =>
      note({
        atMicros: BigInt(atMs) * 1000n,
        subject: clientId,
        reason,
        detail: { count: '1', ...(address === null ? {} : { address }) },
      }),
    summed(sums) {
      for (const sum of sums) waiting.add(sum);
    },
    stop() {
      clearInterval(timer);
      write();
    },
  };
}

function isoOf(ms: number): string {
  return new Date(ms).toISOString();
}
