import type { Settings } from '@ideogate/config';
import { setTimeout as delay } from 'node:timers/promises';
import { openReadPool } from '@ideogate/audit';
import { keyUse } from '@ideogate/audit/query';
import { readInstallationKey } from '@ideogate/data-dir';
import {
  type IdleProof,
  keyIdOf,
  type KeySlot,
  keysOfSlot,
  reload,
  type StoredKey,
  transition,
  tryKey,
  waitForGateways,
  waitUntilIdle,
  waitUntilRevoked,
} from '@ideogate/upstream-keys';
import { CommandError, EXIT } from '../exit-codes.ts';
import {
  addNewKey,
  keyNamed,
  type KeyWork,
  newKeyBytes,
  readSlot,
  transitionsOf,
  withKeyStore,
} from '../key-store.ts';
import { loginOf } from '../running-product.ts';
import { milliseconds } from '../span.ts';
import { confirmed, wantsJson, writeJson } from '../terminal.ts';

/** Flags of `ideogate keys rotate`. */
export interface KeysRotateOptions {
  readonly for: string;
  readonly from?: string;
  readonly canary: string;
  readonly canaryTime: string;
  readonly wait: string;
  readonly json?: boolean;
}

/** What one rotation is told to do. */
interface Rotation {
  readonly slot: KeySlot;
  readonly from: string | undefined;
  /** Of a hundred calls, how many go out with the new key first. */
  readonly canaryPercent: number;
  readonly canaryMs: number;
  readonly waitMs: number;
}

/** What a rotation did, for `--json`. */
interface Rotated {
  readonly slot: KeySlot;
  readonly active: string;
  readonly revoked: string | null;
  readonly idle: IdleProof | null;
}

/**
 * Replaces the key of a slot without an outage. Each step is durable: called again, it goes on where it was, whatever
 * ended it.
 */
export function keysRotate(settings: Settings, options: KeysRotateOptions): Promise<number> {
  const rotation: Rotation = {
    slot: readSlot(options.for),
    from: options.from,
    canaryPercent: readPercent(options.canary),
    canaryMs: readSpan('--canary-time', options.canaryTime),
    waitMs: readSpan('--wait', options.wait),
  };
  return withKeyStore(settings, async (work) => {
    const rotated = await rotate(work, rotation);
    if (wantsJson(options)) writeJson(rotated);
    else
      process.stdout.write(
        `${rotated.active} serves the ${rotation.slot} slot of ${work.product.environment}.\n`,
      );
    return EXIT.fine;
  });
}

async function rotate(work: KeyWork, rotation: Rotation): Promise<Rotated> {
  const { slot } = rotation;
  const by = transitionsOf(work, COMMAND);
  const { active, changing } = await keysOfSlot(work.store, slot);
  const wanted = changing === undefined ? undefined : await sameAsGiven(work, rotation, changing, active);
  if (changing?.state === 'draining' && active !== undefined) return retire(work, rotation, changing, active);
  const fresh = wanted ?? (await added(work, rotation));
  const verified = fresh.state === 'pending' ? await verify(work, fresh) : fresh;
  await canary(work, rotation, verified, active);
  const serving = await transition(by, await reload(work.store, verified), 'active');
  const { ms, gateways } = await waitForGateways(work.store);
  say(`Step 3 of 4: ${serving.id} serves all calls, on ${gatewaysIn(gateways)} after ${ms} ms.`);
  const old = (await keysOfSlot(work.store, slot)).changing;
  if (old === undefined) return { slot, active: serving.id, revoked: null, idle: null };
  return retire(work, rotation, old, serving);
}

const COMMAND = 'keys rotate';

/** A rotation that goes on must be the one that was begun. */
async function sameAsGiven(
  { product }: KeyWork,
  { from }: Rotation,
  changing: StoredKey,
  active: StoredKey | undefined,
): Promise<StoredKey> {
  const coming = changing.state === 'draining' ? active : changing;
  if (from === undefined || from === '-') return changing;
  const bytes = await newKeyBytes(from, '');
  const id = keyIdOf(bytes, readInstallationKey(product.dir, 'fingerprint'));
  bytes.fill(0);
  if (id === coming?.id) return changing;
  throw new CommandError(
    EXIT.invalidInput,
    `A rotation to ${coming?.id ?? 'another key'} is under way, and ${from} holds another key: end that one first, or give it up with keys revoke.`,
  );
}

async function added(work: KeyWork, { slot, from }: Rotation): Promise<StoredKey> {
  const { product, store } = work;
  if (from === undefined)
    say("Step 1 of 4: make a new key in Ideogram's dashboard. Leave the old one as it is.");
  const bytes = await newKeyBytes(
    from,
    `Step 2 of 4: paste the new ${slot} key of ${product.environment} (it is not shown)`,
  );
  const id = await addNewKey(work, slot, bytes, COMMAND);
  return reload(store, { id, slot });
}

async function verify(work: KeyWork, key: StoredKey): Promise<StoredKey> {
  const { answer, detail } = await tryKey(transitionsOf(work, COMMAND), key);
  if (answer === 'accepted') {
    say(`${key.id}: Ideogram takes it (${detail}).`);
    return reload(work.store, key);
  }
  throw new CommandError(
    EXIT.failed,
    answer === 'refused'
      ? `Ideogram refuses ${key.id} (${detail}). Nothing changed for calls. If it was pasted wrongly: keys revoke ${key.id}, then rotate again.`
      : `Whether ${key.id} is good is not known (${detail}). Nothing changed for calls. Give the same command again.`,
  );
}

/** Some calls first, where there is a key to go back to. */
async function canary(
  work: KeyWork,
  { canaryPercent, canaryMs }: Rotation,
  key: StoredKey,
  active: StoredKey | undefined,
): Promise<void> {
  if (canaryPercent === 0 || active === undefined) return;
  await transition(transitionsOf(work, COMMAND), key, 'verified', { percent: canaryPercent });
  say(`${canaryPercent} % of the calls go out with ${key.id} for ${canaryMs / 1000} s.`);
  const until = performance.now() + canaryMs;
  while (performance.now() < until) {
    await delay(Math.min(500, canaryMs));
    requireNotRefused(await reload(work.store, key), active);
  }
}

function requireNotRefused({ id, state }: StoredKey, old: StoredKey): void {
  if (state === 'pending')
    throw new CommandError(
      EXIT.failed,
      `ALARM: Ideogram refused ${id} in use. All calls go out with ${old.id} again; ${id} is pending. See the log of the gateways, then give the same command again.`,
    );
}

/** Steps 3 and 4: the old key is idle, is revoked at Ideogram, and is known to be dead. */
async function retire(
  work: KeyWork,
  { slot, waitMs }: Rotation,
  draining: StoredKey,
  serving: StoredKey,
): Promise<Rotated> {
  const by = transitionsOf(work, COMMAND);
  let old = draining;
  let idle: IdleProof | null = null;
  if (old.idleAt === null) {
    idle = await idleOnRecord(work, old, waitMs);
    requireNotRefused(await reload(work.store, serving), old);
    old = await transition(by, old, 'draining', { idle: true });
    sayProof(old, idle);
  }
  await revokedByHand(work, COMMAND, old, waitMs);
  await transition(by, old, 'revoked');
  return { slot, active: serving.id, revoked: old.id, idle };
}

function sayProof({ id }: StoredKey, { gateways, lastUses }: IdleProof): void {
  say(`${id} is idle on every gateway (${gateways.join('; ')}).`);
  for (const { writer, at, open } of lastUses)
    say(
      `  last used ${at} by writer ${writer}${open > 0 ? `, which is gone; ${open} calls of it have no end yet` : ''}`,
    );
}

/** Proves by the record that nobody uses a draining key. */
async function idleOnRecord({ product, store }: KeyWork, key: StoredKey, waitMs: number): Promise<IdleProof> {
  const pool = openReadPool(loginOf(product, 'read'));
  try {
    return await waitUntilIdle(store, key, (since) => keyUse(pool, key.id, since), waitMs);
  } finally {
    await pool.end();
  }
}

/** Asks for the key to be revoked at Ideogram, and looks until it is. */
async function revokedByHand(work: KeyWork, command: string, old: StoredKey, waitMs: number): Promise<void> {
  say(`Step 4 of 4: revoke ${old.id} in Ideogram's dashboard now.`);
  const detail = await waitUntilRevoked(transitionsOf(work, command), old, waitMs);
  say(`${old.id} is dead: Ideogram refuses it (${detail}).`);
}

export interface KeyOptions {
  readonly for?: string;
  readonly json?: boolean;
}

/** Tries a key on the upstream; a pending one that is good is verified then. */
export function keysVerify(settings: Settings, id: string, options: KeyOptions): Promise<number> {
  return withKeyStore(settings, async (work) => {
    const key = keyNamed(await work.store.list(), id, options.for);
    const { answer, detail } = await tryKey(transitionsOf(work, 'keys verify'), key);
    const { state } = await reload(work.store, key);
    if (wantsJson(options)) writeJson({ id: key.id, slot: key.slot, answer, detail, state });
    else process.stdout.write(`${key.id}: ${answer} (${detail}); it is ${state}.\n`);
    return answer === 'accepted' ? EXIT.fine : EXIT.failed;
  });
}

/** Lets a verified key serve: a share of the calls, or all; or an earlier one again, while it drains. */
export function keysActivate(
  settings: Settings,
  id: string,
  options: KeyOptions & { share?: string },
): Promise<number> {
  const percent = options.share === undefined ? null : readPercent(options.share);
  return withKeyStore(settings, async (work) => {
    const key = keyNamed(await work.store.list(), id, options.for);
    const by = transitionsOf(work, 'keys activate');
    const now = await (percent === null
      ? transition(by, key, 'active')
      : transition(by, key, 'verified', { percent }));
    const { ms, gateways } = await waitForGateways(work.store);
    if (wantsJson(options))
      writeJson({ id: now.id, slot: now.slot, state: now.state, share: now.share, followedAfterMs: ms });
    else
      process.stdout.write(
        `${now.id} is ${now.state}${now.share > 0 ? `, for ${now.share} % of the calls` : ''}, on ${gatewaysIn(gateways)} after ${ms} ms.\n`,
      );
    return EXIT.fine;
  });
}

/** Ends a key: gives up one that never served, or retires one that drains. Its plain text is destroyed. */
export function keysRevoke(
  settings: Settings,
  id: string,
  options: KeyOptions & { wait: string; yes?: boolean },
): Promise<number> {
  const waitMs = readSpan('--wait', options.wait);
  return withKeyStore(settings, async (work) => {
    const by = transitionsOf(work, 'keys revoke');
    let key = keyNamed(await work.store.list(), id, options.for);
    if (key.state === 'active')
      throw new CommandError(
        EXIT.invalidInput,
        `${key.id} is active: keys rotate replaces it without an outage. If it leaked, stop it at once: kill --key ${key.id}`,
      );
    await confirmed(`Destroy the plain text of ${key.id} for good?`, options);
    if (key.state === 'draining') {
      if (key.idleAt === null) {
        const proof = await idleOnRecord(work, key, waitMs);
        key = await transition(by, key, 'draining', { idle: true });
        sayProof(key, proof);
      }
      await revokedByHand(work, 'keys revoke', key, waitMs);
    }
    await transition(by, key, 'revoked');
    if (wantsJson(options)) writeJson({ id: key.id, slot: key.slot, state: 'revoked' });
    else process.stdout.write(`${key.id} is revoked; its plain text is destroyed.\n`);
    return EXIT.fine;
  });
}

/** What a person reads while it goes on; results alone go to standard output. */
function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

function gatewaysIn(gateways: readonly unknown[]): string {
  return gateways.length === 1 ? 'one gateway' : `${gateways.length} gateways`;
}

function readPercent(text: string): number {
  const percent = /^[0-9]{1,2}$/.test(text) ? Number(text) : -1;
  if (percent >= 0) return percent;
  throw new CommandError(EXIT.invalidInput, 'A share is of a hundred calls: a number from 0 to 99.');
}

function readSpan(name: string, text: string): number {
  const span = milliseconds(text);
  if (span !== undefined) return span;
  throw new CommandError(EXIT.invalidInput, `${name} is a span such as 90s, 15m or 2h.`);
}
