import type { EnvironmentName } from '@ideogate/contract';
import { withSession } from '@ideogate/postgres';
import { KeyError } from '../key-fault.ts';
import type { KeySlot } from '../key-ring.ts';
import { ageSealer, type KeyOpener, resealKey } from '../sealing.ts';
import { STORE_TIMEOUTS } from './store-timeouts.ts';

/**
 * Seals every key of the store to other recipients; a key that cannot be opened ends it, and nothing is written.
 * @returns ids of the keys
 * @throws KeyError; what the network or Postgres says
 */
export function resealStore(options: {
  readonly openUrl: string;
  readonly environment: EnvironmentName;
  readonly opener: KeyOpener;
  readonly recipients: readonly string[];
  readonly who: string;
}): Promise<readonly string[]> {
  const { openUrl, environment, opener, recipients, who } = options;
  const sealer = ageSealer(recipients);
  return withSession(openUrl, 'ideogate-keys-reseal', STORE_TIMEOUTS, async (session) => {
    const rows = await session.rows<{ id: string; slot: KeySlot; sealed: Buffer }>(
      'SELECT id, slot, sealed FROM ideogate_keys.upstream_key WHERE sealed IS NOT NULL ORDER BY slot, id',
    );
    const resealed: Buffer[] = [];
    for (const { id, slot, sealed } of rows)
      resealed.push(await resealKey(opener, sealer, { environment, slot, id }, sealed));
    for (const [i, { id, slot, sealed }] of rows.entries()) {
      const [row] = await session.rows<{ done: boolean }>(
        'SELECT ideogate_keys.reseal($1, $2, $3, $4, $5) AS done',
        [id, slot, sealed, resealed[i], who],
      );
      if (row?.done !== true) throw new KeyError(`${id} changed meanwhile: reseal again`);
    }
    return rows.map(({ id }) => id);
  });
}
