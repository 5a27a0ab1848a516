import { topUpPartitions } from '@ideogate/audit';
import { errorCode } from '@ideogate/contract';
import type { Clock, Job, Log } from '../job.ts';

const DAY_MS = 86_400_000;

/** Makes partitions ahead of time, each day. */
export function keepPartitionsAhead(ownerUrl: string, log: Log, now: Clock): Job {
  const daily = setInterval(() => {
    topUpPartitions(ownerUrl, now()).catch((error: unknown) =>
      log.error({ error: errorCode(error) }, 'partitions could not be topped up; next try in a day'),
    );
  }, DAY_MS);
  daily.unref();
  return {
    async stop() {
      clearInterval(daily);
    },
  };
}
