import { join } from 'node:path';
import { openMonthKeys } from '@ideogate/audit';
import type { AuditWriter } from '@ideogate/audit/append';
import { type CallId, errorCode } from '@ideogate/contract';
import { currentUser } from '@ideogate/data-dir';
import { callsEndWithinMs, type GatewayDeps, type Log } from '@ideogate/gateway';
import {
  emulatorKeys,
  type GatewayKeys,
  openConfiguredKeys,
  openGatewayKillSwitch,
  openWebhooks,
  watchKeyAges,
} from '@ideogate/gateway/startup';
import {
  type AgeIdentity,
  ageIdentity,
  readIdentityFile,
  readOrMakeIdentityFile,
} from '@ideogate/upstream-keys';
import { startMaintenance } from '@ideogate/worker';
import manifest from '../package.json' with { type: 'json' };
import type { IssuerProcess } from './issuer-process.ts';
import { recordFailures } from './issuer-record.ts';
import type { ProductConfig } from './product-config.ts';
import type { RecordDatabase } from './record-database.ts';

/*
 * Parts of the gateway beside its record and its verifier. Each that is up adds to `parts` how it goes down.
 */

/** Has the issuer answer, and what it tells of failed clients written into the record. */
export async function listenToIssuer(
  issuer: IssuerProcess,
  record: AuditWriter,
  { environment, release, gateway }: ProductConfig,
  log: Log,
  parts: AsyncDisposableStack,
): Promise<void> {
  const { summaryMs } = gateway.limits;
  const failures = recordFailures(record, { environment, release: release.id, summaryMs });
  parts.defer(async () => {
    await issuer.stop();
    failures.stop();
  });
  await issuer.listen({
    failed: (failure) => failures.failed(failure),
    summed: (sums) => failures.summed(sums),
    fault: (error) => log.error({ error }, 'the issuer failed to answer'),
  });
}

type RecordParts = Pick<GatewayDeps, 'promptKey' | 'sealPrompt' | 'exports'>;

/** Keys under which prompts are kept, and everything that is done for the record beside calls. */
export async function openRecordParts(
  config: ProductConfig,
  { ownerUrl, appendUrl, readUrl }: RecordDatabase,
  promptSecret: string,
  record: AuditWriter,
  log: Log,
  parts: AsyncDisposableStack,
): Promise<RecordParts> {
  const { environment, release, gateway, archiveFolder } = config;
  const monthKeys = await openMonthKeys({
    appendUrl,
    secret: promptSecret,
    environment,
    now: nowMicros,
    onFault: (error) =>
      log.error({ error: errorCode(error) }, 'the keys of the months could not be had; asking again'),
  });
  parts.defer(() => monthKeys.stop());
  const { retention, prompts } = release.environments.get(environment) ?? {};
  const maintenance = startMaintenance({
    environment,
    ownerUrl,
    logins: { appendUrl, readUrl },
    record,
    log,
    now: nowMicros,
    callsEndWithinMs: callsEndWithinMs(gateway),
    gapMarginMs: gateway.limits.gapMarginMs,
    exports: config.exports,
    archive:
      archiveFolder === null || retention === undefined
        ? null
        : { folder: archiveFolder, retention, who: currentUser(), version: manifest.version },
  });
  parts.defer(() => maintenance.stop());
  return {
    promptKey: (atMicros) => monthKeys.digestKey(atMicros),
    ...(prompts === 'keep'
      ? { sealPrompt: (at: bigint, id: CallId, prompt: string) => monthKeys.sealPrompt(at, id, prompt) }
      : {}),
    exports: maintenance.exports,
  };
}

/** What stops calls by their keys: kills, and the age that policy lets a key have. */
export async function openKeyParts(
  { environment, release, controlDir }: ProductConfig,
  dir: string,
  openUrl: string,
  keys: GatewayKeys,
  record: AuditWriter,
  log: Log,
  parts: AsyncDisposableStack,
): Promise<Pick<GatewayDeps, 'keys' | 'keyAges' | 'kills'>> {
  const kills = await openGatewayKillSwitch({
    environment,
    release: release.id,
    dir,
    controlDir,
    openUrl,
    record,
    log,
  });
  parts.defer(() => kills.stop());
  const policy = release.environments.get(environment)?.keys;
  if (policy === undefined) throw new Error('a configuration has its environment');
  const keyAges = watchKeyAges({
    policy,
    ring: keys.ring,
    keys: () => keys.inUse(),
    log,
    now: () => new Date(),
  });
  parts.defer(() => keyAges.stop());
  return { keys: keys.ring, keyAges: () => keyAges.ages(), kills };
}

/** Where webhooks come in, and what brings them to their subscribers; nothing where none are taken. */
export async function openWebhookParts(
  { webhooks, gateway }: ProductConfig,
  url: string,
  log: Log,
  parts: AsyncDisposableStack,
): Promise<Pick<GatewayDeps, 'webhooks'>> {
  if (webhooks.length === 0) return {};
  const opened = await openWebhooks(webhooks, url, gateway.upstream.origin, log);
  parts.defer(() => opened.stop());
  return { webhooks: opened.door };
}

/** Microseconds since the epoch. */
export function nowMicros(): bigint {
  return BigInt(Date.now()) * 1000n;
}

/** Keys that are here before there is a database; null when they come from the sealed store in it. */
export function keysAtHand(
  { environment, data, upstream, gateway }: ProductConfig,
  fingerprintSecret: string,
  emulated: { readonly read: string; readonly write: string },
  log: Log,
): GatewayKeys | null {
  switch (upstream.kind) {
    case 'sealed':
      return null;
    case 'emulator':
      return emulatorKeys({ environment, fingerprintSecret, ...emulated });
    case 'configured':
      return openConfiguredKeys({
        environment,
        data,
        fingerprintSecret,
        keys: upstream.keys,
        callsEndWithinMs: callsEndWithinMs(gateway),
        log,
      });
  }
}

/**
 * The identity that opens sealed keys: of a variable, of a file, else one made in the environment's part of the data
 * folder at the first start.
 * @throws IdentityFileError, KeyError
 */
export function openIdentity(config: ProductConfig, dir: string): Promise<AgeIdentity> {
  const text = config.keysIdentity();
  if (text !== null) return ageIdentity(text, 'IDEOGATE_KEYS_IDENTITY');
  return config.keysIdentityFile === null
    ? readOrMakeIdentityFile(join(dir, 'keys-identity'))
    : readIdentityFile(config.keysIdentityFile);
}
