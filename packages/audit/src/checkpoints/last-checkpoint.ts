import { SHORT_TIMEOUTS, withSession } from '@ideogate/postgres';
import { checkpointsBefore, END_OF_NUMBERS } from './checkpoint-store.ts';
import { newestVerified } from './verified-checkpoint.ts';
import type { VerifierKey } from './note.ts';

/**
 * The last checkpoint of the record, looked at once: the highest number that any has, and the newest that one of these
 * keys signed. Where the two differ, somebody else put the last one in. Throws what Postgres or the network says.
 */
export async function lastCheckpoint(
  readUrl: string,
  keys: readonly VerifierKey[],
): Promise<{
  readonly stored: number | null;
  readonly verified: { readonly number: number; readonly atMicros: bigint } | null;
}> {
  return withSession(readUrl, 'ideogate-last-checkpoint', SHORT_TIMEOUTS, async (session) => {
    const [stored] = await checkpointsBefore(session, END_OF_NUMBERS, 1);
    return { stored: stored?.number ?? null, verified: await newestVerified(session, keys) };
  });
}
