import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { ConfigError as IssuerConfigError } from '@ideogate/access-token';
import { openCheckpointKeys } from '@ideogate/audit/checkpoints';
import { type Settings, SettingsError } from '@ideogate/config';
import { ENVIRONMENTS, errorCode } from '@ideogate/contract';
import {
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
import { assembleGateway, listen, type Log, serveOperations } from '@ideogate/gateway';
import { followSealedKeys } from '@ideogate/gateway/startup';
import { LocalPostgresError, lockFolder, stopLeftoverPostgres } from '@ideogate/local-postgres';
import { writeKeySources } from '@ideogate/upstream-keys';
import { signRecord } from '@ideogate/worker';
import manifest from '../package.json' with { type: 'json' };
import { banner } from './banner.ts';
import { endEmulator, runsEmulator, startEmulator } from './emulator-process.ts';
import {
  keysAtHand,
  listenToIssuer,
  nowMicros,
  openIdentity,
  openKeyParts,
  openRecordParts,
  openWebhookParts,
} from './gateway-parts.ts';
import { addIssuerMetrics } from './issuer-metrics.ts';
import { endIssuer, startIssuer } from './issuer-process.ts';
import { clientsOf, issuerSetUp } from './issuer-set-up.ts';
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
  const parts = new AsyncDisposableStack();
  const stop = once(async () => {
    try {
      await parts.disposeAsync();
    } catch (error) {
      // All parts below it have gone down all the same: Postgres is the last.
      for (const each of errorsIn(error))
        log.error({ error: errorCode(each) }, 'a part of the product did not stop in order');
    }
  });
  try {
    return await assemble(config, log, parts, stop);
  } catch (error) {
    await stop();
    throw describeError(error);
  }
}

/** What a stack of parts threw: several errors come one within the other. */
function errorsIn(error: unknown): readonly unknown[] {
  return error instanceof SuppressedError
    ? [...errorsIn(error.suppressed), ...errorsIn(error.error)]
    : [error];
}

/** Each part that is up adds to `parts` how it goes down; they go down in reverse. */
async function assemble(
  config: ProductConfig,
  log: Log,
  parts: AsyncDisposableStack,
  stop: () => Promise<void>,
): Promise<Product> {
  const { data, environment, release, ports, issuerUrl } = config;
  const say = (line: string) => log.info({}, line);
  const dir = prepareEnvironmentDir(data, environment);
  const lock = lockFolder(data, { pid: process.pid, port: ports.gateway });
  parts.defer(() => lock.release());
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
  if (configured !== null) parts.defer(() => configured.stop());
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
  parts.defer(() => issuer.stop());

  const database = await openRecordDatabase({
    environment,
    dir,
    databaseUrl: config.databaseUrl,
    acceptedFaults: config.acceptedFaults,
    oldPasswords: old?.passwords ?? {},
    log: say,
  });
  parts.defer(() => database.stop());
  removeOldSecrets(dir);

  const emulator =
    config.upstream.kind === 'emulator' ? await startEmulator(dir, ports.emulator, emulated, say) : null;
  if (emulator !== null) parts.defer(() => emulator.stop());

  const logins = { appendUrl: database.appendUrl, readUrl: database.readUrl };
  // Goes down after the record, so that the last checkpoint fixes its end.
  const signing = signRecord({
    environment,
    keys: openCheckpointKeys(config.checkpointKey, `ideogate/${environment}`),
    targets: [{ kind: 'file', file: keptCheckpointsFile(dir) }, ...config.checkpointTargets],
    logins,
    log,
    now: nowMicros,
  });
  parts.defer(() => signing.stop());
  const identity = configured === null ? await openIdentity(config, dir) : null;
  const { gateway } = await assembleGateway(
    config.gateway,
    {
      release,
      record: {
        ...logins,
        acceptedFaults: config.acceptedFaults,
        instance: `${hostname()} ${process.pid}`,
        version: manifest.version,
      },
      verifier: { ...config.verifier, issuers: config.issuers },
      log,
      nowMicros,
      async open(record, opened) {
        await listenToIssuer(issuer, record, config, log, opened);
        const keys =
          configured ??
          (await followSealedKeys({
            environment,
            gateway: config.gateway,
            keyCheck: config.keyCheck,
            release: release.id,
            fingerprintSecret,
            identity: identity ?? (await openIdentity(config, dir)),
            openUrl: database.keysOpenUrl,
            record,
            log,
          }));
        if (configured === null) opened.defer(() => keys.stop());
        return {
          ...(await openRecordParts(config, database, promptSecret, record, log, opened)),
          ...(await openKeyParts(config, dir, database.keysOpenUrl, keys, record, log, opened)),
          ...(await openWebhookParts(config, database.webhookUrl, log, opened)),
          checkpoints: signing,
        };
      },
    },
    parts,
  );
  addIssuerMetrics(gateway.ideogateMetrics.registry, issuer);
  // Up before the gateway and down after it: a gateway that drains says there that it isn't ready.
  const at = { host: '127.0.0.1', port: ports.operations };
  const operations = await serveOperations(gateway.ideogateProbes, at);
  parts.defer(() => void operations.close());
  parts.defer(() => gateway.close());
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
  parts.defer(() => removeRuntimeFile(data));
  return {
    ready,
    banner: banner(ready, clients, config.upstream, database.notices),
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
