import { lastCheckpoint, openCheckpointKeys } from '@ideogate/audit/checkpoints';
import { checkpointKeyFile } from '@ideogate/data-dir';
import { existsSync } from 'node:fs';
import { loginOf, type RunningProduct } from '../running-product.ts';
import { bounded } from './bounded.ts';
import { fault, type Finding, NOT_RUNNING, ok, unknown } from './finding.ts';
import type { Surroundings } from './surroundings.ts';

const PART_MS = 20_000;
/** Five times what lies between two checkpoints when all is well. */
const OLD_AFTER_SECONDS = 150;

/** The record takes a row, gives it back by the read login, and its last checkpoint is signed by its key. */
export async function audit(surroundings: Surroundings): Promise<readonly Finding[]> {
  const { ready } = surroundings;
  if (ready === null) return [NOT_RUNNING];
  // Two questions: that one has no answer must not hide what the other's is.
  const parts = [
    async () => [await rowFinding(surroundings)],
    async () => [await checkpointFinding(surroundings, ready)],
  ];
  return (await Promise.all(parts.map((part) => bounded(part, PART_MS)))).flat();
}

async function rowFinding({ noted }: Surroundings): Promise<Finding> {
  try {
    const row = await noted();
    if (row === null) return NOT_RUNNING;
    return row.row === null
      ? fault('a row was committed, and the read login does not see it', 'ideogate audit verify')
      : ok(
          `a row that says that ${row.who} looks was written, and read back by the read login: writer ${row.row}`,
        );
  } catch {
    return fault(
      'the record does not take a row, or does not give it back',
      'see that its database is up, then start again',
    );
  }
}

async function checkpointFinding({ settings }: Surroundings, { dir }: RunningProduct): Promise<Finding> {
  const file = checkpointKeyFile(settings, dir);
  if (!existsSync(file))
    return unknown(
      'the public key of the signer is not here, so its checkpoints cannot be verified',
      'ideogate audit verify --key KEY',
    );
  const { stored, verified } = await lastCheckpoint(
    loginOf({ dir }, 'read'),
    openCheckpointKeys(file).inForce(),
  );
  if (stored === null || verified === null)
    return fault(
      stored === null
        ? 'no checkpoint was ever signed'
        : `no checkpoint up to ${stored} is signed by the key here`,
      'ideogate audit verify, with the key that signs: ideogate audit key',
    );
  if (verified.number < stored)
    return fault(
      `checkpoint ${stored} is not signed by the record's key: the last that is is ${verified.number}`,
      'ideogate audit verify',
    );
  const seconds = Math.round((Date.now() - Number(verified.atMicros / 1000n)) / 1000);
  if (seconds > OLD_AFTER_SECONDS)
    return fault(
      `the last checkpoint is ${seconds} s old: nobody signs`,
      'see /-/ready of the gateway, and start again',
    );
  return ok(`checkpoint ${verified.number}, ${Math.max(0, seconds)} s old, is signed by the record's key`);
}
