import type { Settings } from '@ideogate/config';
import { openReadPool } from '@ideogate/audit';
import { keyUse, lastUseOf } from '@ideogate/audit/query';
import { auditRead } from '@ideogate/audit/append';
import { readKeySources } from '@ideogate/upstream-keys';
import { EXIT } from '../exit-codes.ts';
import { addNewKey, newKeyBytes, readSlot, withKeyStore } from '../key-store.ts';
import { actorOf, loginOf, type RunningProduct } from '../running-product.ts';
import { wantsJson, writeJson } from '../terminal.ts';

const DAY_MS = 86_400_000;

/** Flags of `ideogate keys add`. */
export interface KeysAddOptions {
  readonly for: string;
  readonly from?: string;
  readonly json?: boolean;
}

/** Puts a key into the sealed store, where it waits until it is verified and activated. */
export function keysAdd(settings: Settings, options: KeysAddOptions): Promise<number> {
  const slot = readSlot(options.for);
  return withKeyStore(settings, async (work) => {
    const { environment } = work.product;
    const bytes = await newKeyBytes(
      options.from,
      `Paste the ${slot} key of ${environment} (it is not shown)`,
    );
    const id = await addNewKey(work, slot, bytes, 'keys add');
    if (wantsJson(options)) writeJson({ id, slot, environment, state: 'pending' });
    else
      process.stdout.write(
        `${id} is in the ${slot} slot of ${environment}, pending. Next: keys verify ${id}\n`,
      );
    return EXIT.fine;
  });
}

/** A key as `keys list` shows it. */
interface ListedKey {
  readonly id: string;
  readonly environment: string;
  readonly slot: string;
  readonly state: string;
  readonly share: number;
  readonly ageDays: number | null;
  readonly lastUse: string | null;
  readonly callsLastDay: number;
  readonly costLastDayUsd: number;
}

/** Every key that is known, with its age and its use. */
export function keysList(settings: Settings, options: { all?: boolean; json?: boolean }): Promise<number> {
  return withKeyStore(settings, async ({ product, store }) => {
    await auditRead(actorOf(product), 'keys list', {});
    const stored = await store.list();
    const given = readKeySources(product.dir).configured.map(({ id, slot, since }) => ({
      id,
      slot,
      state: 'given',
      share: 0,
      addedAt: since === null ? null : new Date(since),
    }));
    const known = [...given, ...stored.filter(({ state }) => options.all === true || state !== 'revoked')];
    const listed = await withUse(product, known);
    if (wantsJson(options)) writeJson(listed);
    else
      process.stdout.write(
        listed.length === 0 ? 'No keys yet. Put one in: keys add --for read\n' : table(listed),
      );
    return EXIT.fine;
  });
}

async function withUse(
  product: RunningProduct,
  keys: readonly { id: string; slot: string; state: string; share: number; addedAt: Date | null }[],
): Promise<readonly ListedKey[]> {
  const pool = openReadPool(loginOf(product, 'read'));
  try {
    const listed: ListedKey[] = [];
    for (const { id, slot, state, share, addedAt } of keys) {
      const ofKey = await keyUse(pool, id, new Date(Date.now() - DAY_MS));
      listed.push({
        id,
        environment: product.environment,
        slot,
        state,
        share,
        ageDays: addedAt === null ? null : Math.floor((Date.now() - addedAt.getTime()) / DAY_MS),
        lastUse: (await lastUseOf(pool, id))?.toISOString() ?? null,
        callsLastDay: ofKey.reduce((sum, { calls }) => sum + calls, 0),
        costLastDayUsd: ofKey.reduce((sum, { costUsdMicros }) => sum + costUsdMicros, 0) / 1_000_000,
      });
    }
    return listed;
  } finally {
    await pool.end();
  }
}

function table(keys: readonly ListedKey[]): string {
  const rows = keys.map((key) => [
    key.id,
    key.environment,
    key.slot,
    key.share > 0 ? `${key.state} (${key.share} %)` : key.state,
    key.ageDays === null ? '-' : `${key.ageDays} d`,
    key.lastUse?.slice(0, 19) ?? 'never',
    String(key.callsLastDay),
    `${key.costLastDayUsd.toFixed(2)} USD`,
  ]);
  const widths = [22, 13, 7, 16, 7, 21, 11, 0];
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('')
      .trimEnd();
  const heading = ['key', 'environment', 'slot', 'state', 'age', 'last use (UTC)', 'calls/day', 'cost/day'];
  return `${[heading, ...rows].map(line).join('\n')}\n`;
}
