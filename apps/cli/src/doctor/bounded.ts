import { setTimeout as delay } from 'node:timers/promises';
import { errorCode } from '@ideogate/contract';
import { describeError } from '../describe-error.ts';
import { type Finding, unknown } from './finding.ts';

/** What a check finds; one that fails or takes too long has found nothing out, and never fails the others. */
export async function bounded(
  check: () => Promise<readonly Finding[]>,
  boundMs: number,
): Promise<readonly Finding[]> {
  const over = new AbortController();
  const late = delay(boundMs, [unknown(`not done within ${boundMs / 1000} s`, 'give the command again')], {
    signal: over.signal,
  });
  // Called off once the check is done.
  late.catch(() => {});
  try {
    return await Promise.race([check(), late]);
  } catch (error) {
    return [unknown(`it could not be looked at: ${whyNot(error)}`, 'see set-up, audit and database first')];
  } finally {
    over.abort();
  }
}

/** Words of ours hold no secret; those of a library may. */
function whyNot(error: unknown): string {
  const described = describeError(error);
  if (described !== null) return described.message;
  const code = errorCode(error);
  return code === 'unreadable' && error instanceof Error ? error.name : code;
}
