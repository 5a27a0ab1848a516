import { ConfigError as IssuerConfigError, createTokenVerifier } from '@ideogate/access-token';
import { openMonthKeys } from '@ideogate/audit';
import { openCheckpointKeys } from '@ideogate/audit/checkpoints';
import { type AuditWriter, openAuditWriter } from '@ideogate/audit/append';
import { type Settings, SettingsError } from '@ideogate/config';
import { type CallId, ENVIRONMENTS, type EnvironmentName, errorCode, WILDCARDS } from '@ideogate/contract';
import {
  type Client,
  clientsFile,
  currentUser,
  environmentDir,
  keptCheckpointsFile,
  makeInstallationKeys,
  prepareEnvironmentDir,
  readInstallationKey,
  readOldSecrets,
  removeOldSecrets,
  removeRuntimeFile,
  type RuntimeFile,
  writeRuntimeFile,
} from '@ideogate/data-dir';
import { callsEndWithinMs, createGateway, listen, type Log, serveOperations } from '@ideogate/gateway';
import {
  emulatorKeys,
  followSealedKeys,
  type GatewayKeys,
  openConfiguredKeys,
  openGatewayKillSwitch,
  openWebhooks,
  watchKeyAges,
} from '@ideogate/gateway/startup';
import { type IssuerSetUp, loadOrCreateClients } from '@ideogate/issuer';
import { LocalPostgresError, lockFolder, stopLeftoverPostgres } from '@ideogate/local-postgres';
import { expandPattern, grantedScopes, grantOf, type Release } from '@ideogate/policy';
import {
  type AgeIdentity,
  ageIdentity,
  readIdentityFile,
  readOrMakeIdentityFile,
  writeKeySources,
} from '@ideogate/upstream-keys';
import { signRecord, startMaintenance } from '@ideogate/worker';
import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import manifest from '../package.json' with { type: 'json' };
import { banner } from './banner.ts';
import { endEmulator, runsEmulator, startEmulator } from './emulator-process.ts';
import { addIssuerMetrics } from './issuer-metrics.ts';
import { endIssuer, startIssuer } from './issuer-process.ts';
import { recordFailures } from './issuer-record.ts';
import { requireFreePorts } from './ports.ts';
import { type ProductConfig, readProductConfig } from './product-config.ts';
import { openRecordDatabase } from './record-database.ts';
import { StartError } from './start-error.ts';

/** A running product. */
interface Product {
  readonly ready: RuntimeFile;
  /** What a person should see. */
  readonly banner: string;
  /** Ends calls in flight, writes their outcomes, then stops everything, Postgres last. May be called twice. */
  stop(): Promise<void>;
}

/**
 * The whole product: database, issuer and, where no key is given, the emulator, each in a process of its own beside the
 * gateway.
 *
 * @throws an error of the part that was wrong, with one clear line for each thing that was wrong; nothing is left running.
 */
export async function startProduct(settings: Settings, log: Log): Promise<Product> {
  const config = readProductConfig(settings);
  const undo: (() => Promise<void> | void)[] = [];
  const stop = once(async () => {
    for (const step of undo.reverse()) {
      try {
        await step();
      } catch (error) {
        // The parts below it must still go down: Postgres is the last.
        log.error({ error: errorCode(error) }, 'a part of the product did not stop in order');
      }
    }
  });
  try {
    return await assemble(config, log, undo, stop);
  } catch (error) {
    await stop();
    throw describeError(error);
  }
}

/** Each part that is up adds to `undo` how it goes down; they go down in reverse. */
async function assemble(
  config: ProductConfig,
  log: Log,
  undo: (() => Promise<void> | void)[],
  stop: () => Promise<void>,
): Promise<Product> {
  const { data, environment, release, ports, issuerUrl } = config;
  const say = (line: string) => log.info({}, line);
  const dir = prepareEnvironmentDir(data, environment);
  const lock = lockFolder(data, { pid: process.pid, port: ports.gateway });
  undo.push(() => lock.release());
  removeRuntimeFile(data);
  const old = readOldSecrets(dir);
  makeInstallationKeys(dir, old?.keys);
  const fingerprintSecret = readInstallationKey(dir, 'fingerprint');
  const promptSecret = readInstallationKey(dir, 'prompt');
  const emulated = {
    read: readInstallationKey(dir, 'emulator-read'),
    write: readInstallationKey(dir, 'emulator-write'),
  };
  const configured = keysAtHand(config, fingerprintSecret, emulated, log);
  if (configured !== null) undo.push(() => configured.stop());
  await clearOtherRuns(config, dir, say);
  await requireFreePorts(
    new Map([
      ['gateway', ports.gateway],
      ['issuer', ports.issuer],
      ...(config.upstream.kind === 'emulator' && !runsEmulator(dir, ports.emulator)
        ? ([['emulator', ports.emulator]] as const)
        : []),
      ['operations', ports.operations],
    ]),
  );

  // Begun before the database, so that both come up together; it answers once there is a record of whom it refuses.
  const clients = await clientsOf(release, environment, issuerUrl, dir);
  const issuer = startIssuer(dir, issuerSetUp(config, dir, clients), say);
  undo.push(() => issuer.stop());

  const database = await openRecordDatabase({
    environment,
    dir,
    databaseUrl: config.databaseUrl,
    acceptedFaults: config.acceptedFaults,
    oldPasswords: old?.passwords ?? {},
    log: say,
  });
  undo.push(() => database.stop());
  removeOldSecrets(dir);

  const emulator =
    config.upstream.kind === 'emulator' ? await startEmulator(dir, ports.emulator, emulated, say) : null;
  if (emulator !== null) undo.push(() => emulator.stop());

  const logins = { appendUrl: database.appendUrl, readUrl: database.readUrl };
  let observe: (rows: number, milliseconds: number) => void = () => undefined;
  const nowMicros = () => BigInt(Date.now()) * 1000n;
  const { commitMs, maxWaiting, summaryMs } = config.gateway.limits;
  // Goes down after the record, so that the last checkpoint fixes its end.
  const signing = signRecord({
    environment,
    keys: openCheckpointKeys(config.checkpointKey, `ideogate/${environment}`),
    targets: [{ kind: 'file', file: keptCheckpointsFile(dir) }, ...config.checkpointTargets],
    logins,
    log,
    now: nowMicros,
  });
  undo.push(() => signing.stop());
  const record = openAuditWriter({
    ...logins,
    acceptedFaults: config.acceptedFaults,
    opening: {
      environment,
      instance: `${hostname()} ${process.pid}`,
      release: release.id,
      version: manifest.version,
      callsEndWithinMs: callsEndWithinMs(config.gateway),
    },
    commitTimeoutMs: commitMs,
    maxWaiting,
    summaryMs,
    now: nowMicros,
    observe: { batch: (rows, milliseconds) => observe(rows, milliseconds) },
  });
  undo.push(() => closeRecord(record, log));
  const failures = recordFailures(record, { environment, release: release.id, summaryMs });
  undo.push(async () => {
    await issuer.stop();
    failures.stop();
  });
  await issuer.listen({
    failed: (failure) => failures.failed(failure),
    summed: (sums) => failures.summed(sums),
    fault: (error) => log.error({ error }, 'the issuer failed to answer'),
  });
  const monthKeys = await openMonthKeys({
    appendUrl: database.appendUrl,
    secret: promptSecret,
    environment,
    now: nowMicros,
    onFault: (error) =>
      log.error({ error: errorCode(error) }, 'the keys of the months could not be had; asking again'),
  });
  undo.push(() => monthKeys.stop());
  const retention = release.environments.get(environment)?.retention;
  const maintenance = startMaintenance({
    environment,
    ownerUrl: database.ownerUrl,
    logins,
    record,
    log,
    now: nowMicros,
    callsEndWithinMs: callsEndWithinMs(config.gateway),
    gapMarginMs: config.gateway.limits.gapMarginMs,
    exports: config.exports,
    archive:
      config.archiveFolder === null || retention === undefined
        ? null
        : { folder: config.archiveFolder, retention, who: currentUser(), version: manifest.version },
  });
  undo.push(() => maintenance.stop());

  const identity = configured === null ? await openIdentity(config, dir) : null;
  const sealed =
    identity === null
      ? null
      : await followSealedKeys({
          environment,
          gateway: config.gateway,
          keyCheck: config.keyCheck,
          release: release.id,
          fingerprintSecret,
          identity,
          openUrl: database.keysOpenUrl,
          record,
          log,
        });
  if (sealed !== null) undo.push(() => sealed.stop());
  const keys = configured ?? sealed;
  if (keys === null) throw new Error('keys are configured or sealed');

  const kills = await openGatewayKillSwitch({
    environment,
    release: release.id,
    dir,
    controlDir: config.controlDir,
    openUrl: database.keysOpenUrl,
    record,
    log,
  });
  undo.push(() => kills.stop());
  const keysPolicy = release.environments.get(environment)?.keys;
  if (keysPolicy === undefined) throw new Error('a configuration has its environment');
  const keyAges = watchKeyAges({
    policy: keysPolicy,
    ring: keys.ring,
    keys: () => keys.inUse(),
    log,
    now: () => new Date(),
  });
  undo.push(() => keyAges.stop());

  const verifier = createTokenVerifier(
    {
      ...config.verifier,
      issuers: config.issuers,
      audience: config.gateway.identifier,
    },
    { now: Date.now },
  );
  undo.push(() => verifier.close());
  await verifier.warm();

  const webhooks =
    config.webhooks.length === 0
      ? null
      : await openWebhooks(config.webhooks, database.webhookUrl, config.gateway.upstream.origin, log);
  if (webhooks !== null) undo.push(() => webhooks.stop());

  const gateway = await createGateway(config.gateway, {
    release,
    verifier,
    record,
    keys: keys.ring,
    keyAges: () => keyAges.ages(),
    kills,
    log,
    promptKey: (atMicros) => monthKeys.digestKey(atMicros),
    ...(release.environments.get(environment)?.prompts === 'keep'
      ? { sealPrompt: (at: bigint, id: CallId, prompt: string) => monthKeys.sealPrompt(at, id, prompt) }
      : {}),
    nowMicros,
    checkpoints: signing,
    exports: maintenance.exports,
    ...(webhooks === null ? {} : { webhooks: webhooks.door }),
  });
  observe = gateway.ideogateMetrics.batch;
  addIssuerMetrics(gateway.ideogateMetrics.registry, issuer);
  // Up before the gateway and down after it: a gateway that drains says there that it isn't ready.
  const at = { host: '127.0.0.1', port: ports.operations };
  const operations = await serveOperations(gateway.ideogateProbes, at);
  undo.push(() => void operations.close());
  undo.push(() => gateway.close());
  await listen(gateway, { host: config.gateway.listen.host, port: ports.gateway });

  writeKeySources(dir, {
    recipients: identity?.recipients ?? null,
    configured: configured?.configured ?? [],
  });
  const ready: RuntimeFile = {
    pid: process.pid,
    environment,
    gateway: config.gatewayUrl,
    issuer: issuerUrl,
    emulator: emulator?.url ?? null,
    metrics: `http://127.0.0.1:${ports.operations}/metrics`,
  };
  writeRuntimeFile(data, ready);
  undo.push(() => removeRuntimeFile(data));
  return {
    ready,
    banner: banner(ready, clients, config.upstream, database.notices),
    stop,
  };
}

/** Keys that are here before there is a database; null when they come from the sealed store in it. */
function keysAtHand(
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
function openIdentity(config: ProductConfig, dir: string): Promise<AgeIdentity> {
  const text = config.keysIdentity();
  if (text !== null) return ageIdentity(text, 'IDEOGATE_KEYS_IDENTITY');
  return config.keysIdentityFile === null
    ? readOrMakeIdentityFile(join(dir, 'keys-identity'))
    : readIdentityFile(config.keysIdentityFile);
}

/**
 * A killed run may have served another environment, or with the embedded Postgres or the emulator where this one
 * uses neither: what it left running here is ended. What this run needs itself is taken over by those who start it.
 */
async function clearOtherRuns(
  { data, environment, databaseUrl, upstream, ports }: ProductConfig,
  own: string,
  say: (line: string) => void,
): Promise<void> {
  for (const name of ENVIRONMENTS) {
    const folder = environmentDir(data, name);
    const postgres = join(folder, 'postgres');
    if (existsSync(postgres) && (name !== environment || databaseUrl !== null)) {
      await stopLeftoverPostgres(postgres, say).catch((error: unknown) =>
        say(error instanceof LocalPostgresError ? error.message : `${postgres}: ${errorCode(error)}`),
      );
    }
    const needed = folder === own && upstream.kind === 'emulator' && runsEmulator(folder, ports.emulator);
    if (!needed) await endEmulator(folder);
    await endIssuer(folder);
  }
}

/** A client for every caller that the policy grants anything here, with its scopes as the policy words them. */
async function clientsOf(
  release: Release,
  environment: EnvironmentName,
  issuer: string,
  dir: string,
): Promise<readonly Client[]> {
  const grants = new Map<string, readonly string[]>();
  for (const { subject } of release.callers) {
    const grant = grantOf(release, environment, { issuer, subject });
    if (grant !== null && grant.patterns.length > 0) grants.set(subject, grant.patterns);
  }
  const clients = await loadOrCreateClients(clientsFile(dir), [...grants.keys()], grants);
  return clients.map(({ client_id, client_secret }) => ({
    client_id,
    client_secret,
    scopes: grants.get(client_id) ?? [],
  }));
}

/** All that the issuer's process is told: policy as plain values, so that it loads none of it. */
function issuerSetUp(
  { release, environment, issuerUrl, issuerLimits, ports, gateway }: ProductConfig,
  dir: string,
  clients: readonly Client[],
): IssuerSetUp {
  const grants = clients.map(({ client_id: subject }) => {
    const caller = { issuer: issuerUrl, subject };
    const scopes = [...grantedScopes(release, environment, caller)];
    return [subject, { scopes, patterns: grantOf(release, environment, caller)?.patterns ?? [] }] as const;
  });
  return {
    issuer: issuerUrl,
    host: '127.0.0.1',
    port: ports.issuer,
    audience: gateway.identifier,
    keysFile: join(dir, 'issuer-keys.json'),
    clients: clients.map(({ client_id, client_secret }) => ({ client_id, client_secret })),
    grants: Object.fromEntries(grants),
    wildcards: Object.fromEntries(WILDCARDS.map((pattern) => [pattern, expandPattern(release, pattern)])),
    limits: issuerLimits,
  };
}

async function closeRecord(record: AuditWriter, log: Log): Promise<void> {
  const written = await record.flush(5000);
  if (!written)
    log.error(
      { waiting: record.waiting() },
      'the database did not take the last rows; they will show as gaps',
    );
  await record.close(1000);
}

function once(work: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return () => (done ??= work());
}

/** What is wrong in words of the product, where those of its part would not say enough. */
function describeError(error: unknown): unknown {
  if (error instanceof IssuerConfigError)
    return new SettingsError(error.faults.map((fault) => `Trusted issuers: ${fault}.`));
  if (errorCode(error) === 'EADDRINUSE' && error instanceof Error && 'port' in error) {
    return new StartError(
      'port-in-use',
      `Port ${String(error.port)} is in use: stop what uses it, or set IDEOGATE_PORT to another.`,
    );
  }
  return error;
}
