import { ConfigError as IssuerConfigError, createTokenVerifier } from '@ideogate/access-token';
import { MonthKeyError, openMonthKeys } from '@ideogate/audit';
import { type AuditWriter, openAuditWriter } from '@ideogate/audit/append';
import type { Settings } from '@ideogate/config';
import { type CallId, ENVIRONMENTS, type EnvironmentName, WILDCARDS } from '@ideogate/contract';
import { callsEndWithinMs, createGateway, listen, type Log, serveOperations } from '@ideogate/gateway';
import { type IssuerSetUp, loadOrCreateClients, SecretFileError } from '@ideogate/issuer';
import {
  FolderInUseError,
  LocalPostgresError,
  lockFolder,
  stopLeftoverPostgres,
} from '@ideogate/local-postgres';
import { expandPattern, grantedScopes, grantOf, type Release } from '@ideogate/policy';
import { ControlError, KillFileError } from '@ideogate/kill-switch';
import { KeyError } from '@ideogate/upstream-keys';
import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import manifest from '../../package.json' with { type: 'json' };
import { CommandError, EXIT } from '../exit-codes.ts';
import { banner } from './banner.ts';
import { signRecord } from './checkpoints.ts';
import {
  codeOf,
  loadOrCreateSecrets,
  prepareDataFolder,
  type ReadyFile,
  removeReadyFile,
  writeReadyFile,
} from './data-folder.ts';
import { endEmulator, runsEmulator, startEmulator } from './emulator-process.ts';
import { addIssuerMetrics } from './issuer-metrics.ts';
import { endIssuer, startIssuer } from './issuer-process.ts';
import { recordFailures } from './issuer-record.ts';
import { requireFreePorts } from './ports.ts';
import { type ProductConfig, readProductConfig } from './product-config.ts';
import { openRecordDatabase } from './record-database.ts';
import { keepRecord } from './record-keeping.ts';
import { watchKeyAges } from './key-ages.ts';
import { obeyOrders } from './orders-of-the-gateway.ts';
import { openKeysIdentity } from './keys-identity.ts';
import { followSealedKeys, openGivenKeys } from './keys-of-the-gateway.ts';
import { openWebhooks } from './webhooks.ts';

/** A running product. */
export interface Product {
  readonly ready: ReadyFile;
  /** What a person should see. */
  readonly banner: string;
  /** Ends calls in flight, writes their outcomes, then stops everything, Postgres last. May be called twice. */
  stop(): Promise<void>;
}

/**
 * The whole product: database, issuer and, where no key is given, the emulator, each in a process of its own beside the
 * gateway.
 *
 * @throws CommandError, with one clear line for each thing that was wrong; nothing is left running.
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
        log.error({ error: codeOf(error) }, 'a part of the product did not stop in order');
      }
    }
  });
  try {
    return await assemble(config, log, undo, stop);
  } catch (error) {
    await stop();
    throw inWords(error);
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
  const folder = prepareDataFolder(data, environment);
  const lock = lockFolder(data, { pid: process.pid, port: ports.gateway });
  undo.push(() => lock.release());
  removeReadyFile(data);
  const secrets = loadOrCreateSecrets(folder);
  const given = openGivenKeys(config, secrets, log);
  if (given !== null) undo.push(() => given.stop());
  await clearOtherRuns(config, folder, say);
  await requireFreePorts(
    new Map([
      ['gateway', ports.gateway],
      ['issuer', ports.issuer],
      ...(config.upstream.kind === 'emulator' && !runsEmulator(folder, ports.emulator)
        ? ([['emulator', ports.emulator]] as const)
        : []),
      ['operations', ports.operations],
    ]),
  );

  // Begun before the database, so that both come up together; it answers once there is a record of whom it refuses.
  const clients = await clientsOf(release, environment, issuerUrl, folder);
  const issuer = startIssuer(folder, issuerSetUp(config, folder, clients), say);
  undo.push(() => issuer.stop());

  const database = await openRecordDatabase(config, folder, secrets, say);
  undo.push(() => database.stop());

  const emulator =
    config.upstream.kind === 'emulator'
      ? await startEmulator(
          folder,
          ports.emulator,
          { read: secrets.emulatorReadKey, write: secrets.emulatorWriteKey },
          say,
        )
      : null;
  if (emulator !== null) undo.push(() => emulator.stop());

  let observe: (rows: number, milliseconds: number) => void = () => undefined;
  const nowMicros = () => BigInt(Date.now()) * 1000n;
  const { commitMs, maxWaiting, summaryMs } = config.gateway.limits;
  // Goes down after the record, so that the last checkpoint fixes its end.
  const signing = signRecord(config, folder, database, log, nowMicros);
  undo.push(() => signing.stop());
  const record = openAuditWriter({
    appendUrl: database.appendUrl,
    readUrl: database.readUrl,
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
    secret: secrets.prompt,
    environment,
    now: nowMicros,
    onFault: (error) =>
      log.error({ error: codeOf(error) }, 'the keys of the months could not be had; asking again'),
  });
  undo.push(() => monthKeys.stop());
  const keeping = keepRecord({ config, folder, database, record, log, nowMicros });
  undo.push(() => keeping.stop());

  const identity = given === null ? await openKeysIdentity(config, folder) : null;
  const sealed =
    identity === null ? null : await followSealedKeys(config, secrets, identity, database, record, log);
  if (sealed !== null) undo.push(() => sealed.stop());
  const keys = given ?? sealed;
  if (keys === null) throw new Error('keys are given or sealed');

  const kills = await obeyOrders(config, folder, database, record, log);
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
    exports: keeping.exports,
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

  const ready: ReadyFile = {
    pid: process.pid,
    gateway: config.gatewayUrl,
    issuer: issuerUrl,
    emulator: emulator?.url ?? null,
    metrics: `http://127.0.0.1:${ports.operations}/metrics`,
    databaseUrl: database.readUrl,
    appendDatabaseUrl: database.appendUrl,
    webhookDatabaseUrl: database.webhookUrl,
    adminDatabaseUrl: database.adminUrl,
    keysDatabaseUrl: database.keysPutUrl,
    keysOpenDatabaseUrl: database.keysOpenUrl,
    keyRecipients: identity?.recipients ?? null,
    givenKeys: given?.given ?? [],
    environment,
    clients,
  };
  writeReadyFile(data, ready);
  undo.push(() => removeReadyFile(data));
  return {
    ready,
    banner: banner(ready, config.upstream, database.notices),
    stop,
  };
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
    const folder = join(data, name);
    const postgres = join(folder, 'postgres');
    if (existsSync(postgres) && (name !== environment || databaseUrl !== null)) {
      await stopLeftoverPostgres(postgres, say).catch((error: unknown) =>
        say(error instanceof LocalPostgresError ? error.message : `${postgres}: ${codeOf(error)}`),
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
  folder: string,
): Promise<ReadyFile['clients']> {
  const grants = new Map<string, readonly string[]>();
  for (const { subject } of release.callers) {
    const grant = grantOf(release, environment, { issuer, subject });
    if (grant !== null && grant.patterns.length > 0) grants.set(subject, grant.patterns);
  }
  const clients = await loadOrCreateClients(join(folder, 'clients.json'), [...grants.keys()]);
  return clients.map(({ client_id, client_secret }) => ({
    client_id,
    client_secret,
    scopes: grants.get(client_id) ?? [],
  }));
}

/** All that the issuer's process is told: policy as plain values, so that it loads none of it. */
function issuerSetUp(
  { release, environment, issuerUrl, issuerLimits, ports, gateway }: ProductConfig,
  folder: string,
  clients: ReadyFile['clients'],
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
    keysFile: join(folder, 'issuer-keys.json'),
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

function inWords(error: unknown): unknown {
  if (error instanceof IssuerConfigError) {
    return new CommandError(
      EXIT.invalidInput,
      error.faults.map((fault) => `Trusted issuers: ${fault}.`),
    );
  }
  if (error instanceof KeyError) return new CommandError(EXIT.invalidInput, `${error.message}.`);
  if (error instanceof SecretFileError) return new CommandError(EXIT.failed, `${error.message}.`);
  if (error instanceof MonthKeyError)
    return new CommandError(
      EXIT.failed,
      `The record's database does not fit this data folder: ${error.message}. Restore secrets.json from the folder that first used it.`,
    );
  if (error instanceof KillFileError || error instanceof ControlError)
    return new CommandError(EXIT.failed, `Orders to stop calls cannot be taken: ${error.message}.`);
  if (error instanceof FolderInUseError || error instanceof LocalPostgresError)
    return new CommandError(EXIT.failed, error.message);
  if (codeOf(error) === 'EADDRINUSE' && error instanceof Error && 'port' in error) {
    return new CommandError(
      EXIT.failed,
      `Port ${String(error.port)} is in use: stop what uses it, or set IDEOGATE_PORT to another.`,
    );
  }
  return error;
}
