import {
  type CheckpointDestination,
  type CheckpointKeys,
  type CheckpointWatch,
  fileDestination,
  httpDestination,
  signCheckpoints,
  streamDestination,
  watchCheckpoints,
} from '@ideogate/audit/checkpoints';
import { type EnvironmentName, errorCode } from '@ideogate/contract';
import type { Clock, Log, RecordLogins } from '../job.ts';

/** Where checkpoints go beside the database. */
export type CheckpointTarget =
  | { readonly kind: 'stdout' }
  | { readonly kind: 'file'; readonly file: string }
  | { readonly kind: 'http'; readonly url: string };

/**
 * Signs checkpoints for as long as the process runs, or sees another process sign them. To be stopped after the record
 * is closed, so that the last one fixes its end.
 */
export function signRecord(options: {
  readonly environment: EnvironmentName;
  readonly keys: CheckpointKeys;
  readonly targets: readonly CheckpointTarget[];
  readonly logins: RecordLogins;
  readonly log: Log;
  readonly now: Clock;
}): CheckpointWatch {
  const { environment, keys, targets, logins, log, now } = options;
  const onFault = (what: string) => (error: unknown) => log.error({ error: errorCode(error) }, what);
  const signing = signCheckpoints({
    ...logins,
    environment,
    keys,
    destinations: targets.map((target) => destination(target, onFault('a checkpoint could not be sent'))),
    now,
    onFault: onFault('no checkpoint could be signed; trying again'),
  });
  const watch = watchCheckpoints({
    readUrl: logins.readUrl,
    keys: () => keys.inForce(),
    now,
    onFault: onFault('the last checkpoint could not be looked at; trying again'),
  });
  return {
    ...watch,
    async stop() {
      await watch.stop();
      await signing.stop();
    },
  };
}

function destination(target: CheckpointTarget, onFault: (error: unknown) => void): CheckpointDestination {
  switch (target.kind) {
    case 'stdout':
      return streamDestination(process.stdout);
    case 'file':
      return fileDestination(target.file, onFault);
    case 'http':
      return httpDestination({ url: target.url, onFault });
  }
}
