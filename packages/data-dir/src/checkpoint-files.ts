import { join, resolve } from 'node:path';
import type { Settings } from '@ideogate/config';

/** The file of the key that signs checkpoints: `IDEOGATE_CHECKPOINT_KEY_FILE`, else in the environment's folder. */
export function checkpointKeyFile({ values }: Settings, dir: string): string {
  const named = values.record.checkpointKeyFile;
  return named === null ? join(dir, 'checkpoint-key') : resolve(named);
}

/** The file in which `start` keeps the checkpoints it made, apart from the database. */
export function keptCheckpointsFile(dir: string): string {
  return join(dir, 'checkpoints.ndjson');
}
