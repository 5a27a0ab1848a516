import { hostname } from 'node:os';
import type { AuditWriter } from '@ideogate/audit/append';
import type { EnvironmentName, NoticeName } from '@ideogate/contract';
import { callsEndWithinMs, checkKey, type Log } from '@ideogate/gateway';
import {
  type AgeIdentity,
  createKeyRing,
  KEY_SLOTS,
  type KeyChange,
  KeyFollower,
  type KeyRefusal,
  KeyRing,
  watchKeyFile,
} from '@ideogate/upstream-keys';
import { codeOf, type GivenKeyInSight, type InstallationSecrets } from './data-folder.ts';
import type { KeySince } from './key-ages.ts';
import { claimKey } from './key-claims.ts';
import type { ProductConfig } from './product-config.ts';
import type { RecordDatabase } from './record-database.ts';
import { type GivenKey, idUnder } from './upstream-choice.ts';

/** The gateway's keys, and what keeps them as they should be. */
export interface KeysOfTheGateway {
  readonly ring: KeyRing;
  readonly given: readonly GivenKeyInSight[];
  /** Keys in use, and since when they are known. */
  inUse(): readonly KeySince[];
  stop(): Promise<void>;
}

/**
 * Keys that variables and files hold, or the emulator's own; null when they come from the sealed store.
 * @throws KeyError, CommandError
 */
export function openGivenKeys(
  { data, environment, upstream, gateway }: ProductConfig,
  secrets: InstallationSecrets,
  log: Log,
): KeysOfTheGateway | null {
  const fingerprintSecret = secrets.fingerprint;
  switch (upstream.kind) {
    case 'sealed':
      return null;
    case 'emulator': {
      const { emulatorReadKey: read, emulatorWriteKey: write } = secrets;
      const ring = createKeyRing({ environment, read, write, fingerprintSecret });
      const given = KEY_SLOTS.map((slot) => ({
        slot,
        id: ring.ids(slot)[0] ?? '',
        from: 'emulator',
        since: null,
      }));
      return { ring, given, inUse: () => [], stop: async () => undefined };
    }
    case 'given': {
      const ring = new KeyRing(environment);
      ring.onRefused = (refusal) => tellRefusal(refusal, log);
      const inSight: GivenKeyInSight[] = [];
      const now = new Map<string, KeySince>();
      const watches = KEY_SLOTS.map((slot) => {
        const given = upstream.keys[slot];
        const since = claimGiven(data, environment, given);
        const key = given.open(fingerprintSecret);
        ring.fill(slot, { current: key });
        inSight.push({ slot, id: key.id, from: given.variable, since });
        now.set(slot, { slot, id: key.id, since: new Date(since) });
        if (given.file === null) return null;
        return watchKeyFile({
          file: given.file,
          name: given.variable,
          fingerprintSecret,
          id: key.id,
          onKey(current) {
            try {
              const since = new Date(claimGiven(data, environment, given));
              now.set(slot, { slot, id: current.id, since });
            } catch (error) {
              log.error(
                { slot, error: error instanceof Error ? error.message : 'unknown' },
                'the new key of a file is not taken: the one before it goes on serving',
              );
              current.destroy();
              return;
            }
            const replaced = ring.fill(slot, { current });
            log.info({ slot, key: current.id, file: given.file }, 'a file holds another key: it serves now');
            for (const old of replaced) setTimeout(() => ring.forget(old), callsEndWithinMs(gateway)).unref();
          },
          onFault: (fault) =>
            log.error(
              { slot, error: fault.message },
              'the new content of a file is no key: the one before it goes on serving',
            ),
        });
      });
      const { read, write } = upstream.keys;
      if (read.variable === write.variable)
        log.info(
          { variable: read.variable },
          'one key serves reading and writing: give a key of its own to each for the least that works',
        );
      return {
        ring,
        given: inSight,
        inUse: () => [...now.values()],
        async stop() {
          for (const watch of watches) watch?.stop();
        },
      };
    }
  }
}

function claimGiven(data: string, environment: EnvironmentName, given: GivenKey): string {
  return claimKey(data, environment, (secret) => idUnder(given, secret), given.variable);
}

/**
 * Keys of the sealed store, followed for as long as the gateway runs.
 * @throws KeyError when one cannot be opened; what the network or Postgres says
 */
export async function followSealedKeys(
  config: ProductConfig,
  secrets: InstallationSecrets,
  identity: AgeIdentity,
  database: Pick<RecordDatabase, 'keysOpenUrl'>,
  record: AuditWriter,
  log: Log,
): Promise<KeysOfTheGateway> {
  const { environment, gateway, keyCheck, release } = config;
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
      release: release.id,
      keyId,
      detail,
    });
  const follower = await KeyFollower.start({
    openUrl: database.keysOpenUrl,
    environment,
    opener: identity,
    fingerprintSecret: secrets.fingerprint,
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
    given: [],
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
  return fault instanceof Error && fault.name === 'KeyError' ? fault.message : codeOf(fault);
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
