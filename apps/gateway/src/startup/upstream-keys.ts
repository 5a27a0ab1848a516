import { hostname } from 'node:os';
import type { AuditWriter } from '@ideogate/audit/append';
import { type EnvironmentName, errorCode, type NoticeName } from '@ideogate/contract';
import {
  type AgeIdentity,
  bindKey,
  type ConfiguredKey,
  configuredKeyId,
  createKeyRing,
  KEY_SLOTS,
  type KeyChange,
  KeyFollower,
  type KeyRefusal,
  KeyRing,
  type KeySlot,
  type KnownConfiguredKey,
  watchKeyFile,
} from '@ideogate/upstream-keys';
import { callsEndWithinMs, type GatewayConfig } from '../config.ts';
import type { Log } from '../context.ts';
import { checkKey } from '../upstream/key-check.ts';
import type { KeySince } from './key-ages.ts';
import type { KeyCheckCall } from './upstream-choice.ts';

/** The gateway's keys, and what keeps them as they should be. */
export interface GatewayKeys {
  readonly ring: KeyRing;
  readonly configured: readonly KnownConfiguredKey[];
  /** Keys in use, and since when they are known. */
  inUse(): readonly KeySince[];
  stop(): Promise<void>;
}

/** The emulator's own keys, which have no age. */
export function emulatorKeys(options: {
  readonly environment: EnvironmentName;
  readonly read: string;
  readonly write: string;
  readonly fingerprintSecret: string;
}): GatewayKeys {
  const ring = createKeyRing(options);
  const configured = KEY_SLOTS.map((slot) => ({
    slot,
    id: ring.ids(slot)[0] ?? '',
    from: 'emulator',
    since: null,
  }));
  return { ring, configured, inUse: () => [], stop: async () => undefined };
}

/** What keys of variables and files are opened with. */
export interface ConfiguredKeysOptions {
  readonly environment: EnvironmentName;
  /** The data folder, which binds each key to the environment. */
  readonly data: string;
  readonly fingerprintSecret: string;
  readonly keys: Readonly<Record<KeySlot, ConfiguredKey>>;
  /** How long a call may go on with a key that a file no longer holds. */
  readonly callsEndWithinMs: number;
  readonly log: Log;
}

/**
 * Keys that variables and files hold; a file that holds another later has that one serve.
 * @throws KeyError, KeyBindingError
 */
export function openConfiguredKeys(options: ConfiguredKeysOptions): GatewayKeys {
  const { environment, data, fingerprintSecret, keys, log } = options;
  const ring = new KeyRing(environment);
  ring.onRefused = (refusal) => tellRefusal(refusal, log);
  const configured: KnownConfiguredKey[] = [];
  const now = new Map<string, KeySince>();
  const bind = (key: ConfiguredKey) =>
    bindKey(data, environment, (secret) => configuredKeyId(key, secret), key.variable);
  const watches = KEY_SLOTS.map((slot) => {
    const { variable, file, open } = keys[slot];
    const since = bind(keys[slot]);
    const key = open(fingerprintSecret);
    ring.fill(slot, { current: key });
    configured.push({ slot, id: key.id, from: variable, since });
    now.set(slot, { slot, id: key.id, since: new Date(since) });
    if (file === null) return null;
    return watchKeyFile({
      file,
      name: variable,
      fingerprintSecret,
      id: key.id,
      onKey(current) {
        try {
          now.set(slot, { slot, id: current.id, since: new Date(bind(keys[slot])) });
        } catch (error) {
          log.error(
            { slot, error: error instanceof Error ? error.message : 'unknown' },
            'the new key of a file is not taken: the one before it goes on serving',
          );
          current.destroy();
          return;
        }
        const replaced = ring.fill(slot, { current });
        log.info({ slot, key: current.id, file }, 'a file holds another key: it serves now');
        for (const old of replaced) setTimeout(() => ring.forget(old), options.callsEndWithinMs).unref();
      },
      onFault: (fault) =>
        log.error(
          { slot, error: fault.message },
          'the new content of a file is no key: the one before it goes on serving',
        ),
    });
  });
  if (keys.read.variable === keys.write.variable)
    log.info(
      { variable: keys.read.variable },
      'one key serves reading and writing: give a key of its own to each for the least that works',
    );
  return {
    ring,
    configured,
    inUse: () => [...now.values()],
    async stop() {
      for (const watch of watches) watch?.stop();
    },
  };
}

/** What keys of the sealed store are followed with. */
export interface SealedKeysOptions {
  readonly environment: EnvironmentName;
  readonly gateway: GatewayConfig;
  readonly keyCheck: KeyCheckCall;
  /** Id of the policy's release. */
  readonly release: string;
  readonly fingerprintSecret: string;
  readonly identity: AgeIdentity;
  /** The login that reads what is sealed. */
  readonly openUrl: string;
  readonly record: AuditWriter;
  readonly log: Log;
}

/**
 * Keys of the sealed store, followed for as long as the gateway runs.
 * @throws KeyError when one cannot be opened; what the network or Postgres says
 */
export async function followSealedKeys(options: SealedKeysOptions): Promise<GatewayKeys> {
  const { environment, gateway, keyCheck, release, identity, openUrl, record, log } = options;
  const ring = new KeyRing(environment);
  const note = (result: NoticeName, keyId: string, detail: Readonly<Record<string, string>>) =>
    record.note({
      kind: 'notice',
      result,
      atMicros: BigInt(Date.now()) * 1000n,
      environment,
      subject: null,
      operation: null,
      problem: null,
      reason: null,
      release,
      keyId,
      detail,
    });
  const follower = await KeyFollower.start({
    openUrl,
    environment,
    opener: identity,
    fingerprintSecret: options.fingerprintSecret,
    ring,
    writer: record.writer,
    instance: `${hostname()} ${process.pid}`,
    callsEndWithinMs: callsEndWithinMs(gateway),
    check: (key) => checkKey(gateway.upstream, keyCheck, key),
    onChange: (change) => tellChange(change, log, note),
    onFault: (fault) =>
      fault === null
        ? log.info({}, 'the store of keys is followed again')
        : log.error(
            { error: faultOfFollowing(fault) },
            'the store of keys cannot be followed: the last known keys go on serving',
          ),
  });
  return {
    ring,
    configured: [],
    inUse: () =>
      follower
        .keys()
        .filter(({ id, slot }) => ring.ids(slot).includes(id))
        .map(({ id, slot, addedAt }) => ({ id, slot, since: addedAt })),
    stop: () => follower.stop(),
  };
}

/** Messages of ours hold no secret; those of the network and of Postgres may hold an address. */
function faultOfFollowing(fault: unknown): string {
  return fault instanceof Error && fault.name === 'KeyError' ? fault.message : errorCode(fault);
}
function tellRefusal({ id, slot, instead }: KeyRefusal, log: Log): void {
  log.error(
    { key: id, slot, instead },
    instead === null
      ? 'ALARM: Ideogram refuses the key, and there is no other'
      : 'ALARM: Ideogram refuses the new key; the one before it serves again',
  );
}

function tellChange(
  change: KeyChange,
  log: Log,
  note: (result: NoticeName, keyId: string, detail: Readonly<Record<string, string>>) => void,
): void {
  switch (change.what) {
    case 'followed':
      log.info({ read: change.read, write: change.write }, 'keys in use');
      break;
    case 'checked':
      log.info({ key: change.id, slot: change.slot, answer: change.answer }, 'a key was tried');
      break;
    case 'refused':
      tellRefusal(change, log);
      if (change.wentBack)
        note('key-refused', change.id, { slot: change.slot, instead: change.instead ?? '' });
      break;
  }
}
