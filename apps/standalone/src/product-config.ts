import type { TrustedIssuer, VerifierConfig } from '@ideogate/access-token';
import { DATABASE_FAULTS, type DatabaseFault, isDatabaseFault } from '@ideogate/audit';
import {
  policyPaths,
  readPolicyFiles,
  type SettingGroup,
  type Settings,
  SettingsError,
  type SettingValues,
} from '@ideogate/config';
import { type EnvironmentName, isLoopback } from '@ideogate/contract';
import { checkpointKeyFile, controlDir, dataDir, environmentDir } from '@ideogate/data-dir';
import { ConfigError, type GatewayConfig, type GatewayPlace, readGatewayConfig } from '@ideogate/gateway';
import {
  type KeyCheckCall,
  readKeyCheck,
  readTrustedIssuers,
  readUpstream,
  readWebhookEndpoints,
  refuseKeysOfOthers,
  requireNamedIssuers,
  type UpstreamChoice,
  type WebhookEndpointConfig,
} from '@ideogate/gateway/startup';
import { OPERATIONS } from '@ideogate/ideogram';
import type { IssuerLimits } from '@ideogate/issuer';
import { formatFault, parsePolicy, type Release } from '@ideogate/policy';
import {
  type CheckpointTarget,
  readCheckpointTargets,
  readRecordExports,
  type RecordExports,
} from '@ideogate/worker';

/** What `start` was asked to run, already checked. */
export interface ProductConfig {
  readonly data: string;
  readonly environment: EnvironmentName;
  readonly release: Release;
  readonly ports: {
    readonly gateway: number;
    readonly issuer: number;
    readonly emulator: number;
    readonly operations: number;
  };
  readonly issuerUrl: string;
  readonly issuerLimits: IssuerLimits;
  /** Whose tokens are taken: the product's own issuer, and those that `IDEOGATE_ISSUERS` lists. */
  readonly issuers: readonly TrustedIssuer[];
  /** How tokens are verified, and for how long key sets are trusted. */
  readonly verifier: Omit<VerifierConfig, 'issuers' | 'audience'>;
  readonly gateway: GatewayConfig;
  /** Where callers on this machine reach the gateway. */
  readonly gatewayUrl: string;
  readonly databaseUrl: string | null;
  /** Faults of the database that development puts up with. */
  readonly acceptedFaults: readonly DatabaseFault[];
  /** File of the key that signs checkpoints. */
  readonly checkpointKey: string;
  readonly checkpointTargets: readonly CheckpointTarget[];
  readonly exports: RecordExports;
  /** Where months are archived by the product itself; null: by hand alone. */
  readonly archiveFolder: string | null;
  readonly webhooks: readonly WebhookEndpointConfig[];
  readonly upstream: UpstreamChoice;
  readonly keyCheck: KeyCheckCall;
  /** Folder of the sockets by which orders come straight to gateways. */
  readonly controlDir: string;
  /** Text of the identity that opens sealed keys; null: the file beside. A function, so that a configuration that is printed does not show it. */
  readonly keysIdentity: () => string | null;
  readonly keysIdentityFile: string | null;
}

/**
 * Makes of the settings, and of the files they name, what the product is to be.
 *
 * @throws SettingsError that lists every fault.
 */
export function readProductConfig(settings: Settings): ProductConfig {
  const { general, listen, record, upstreamKeys, accessTokens, gateway: limits, issuer } = settings.values;
  const { environment, port } = general;
  const faults: string[] = [];
  const tell = (...groups: readonly SettingGroup[]) =>
    void faults.push(
      ...settings.faults.flatMap(({ group, words }) => (groups.includes(group) ? `${words}.` : [])),
    );
  tell('general', 'record');
  const acceptedFaults = readAcceptedFaults(record.acceptUnsafeDatabase, environment, faults);
  const checkpointTargets = readCheckpointTargets(record, faults);
  const exports = readRecordExports(record, faults);
  const webhooks = readWebhookEndpoints(settings, faults);
  const release = loadPolicy(settings, faults);
  const policy = release?.environments.get(environment);
  if (release !== null && policy === undefined)
    faults.push(`The policy has no environment ${environment}: add it, or set IDEOGATE_ENVIRONMENT.`);
  const upstream = readUpstream(settings, policy, faults);
  if (release !== null && policy !== undefined)
    refuseKeysOfOthers(release, policy, upstream, settings.named, faults);
  const keyCheck = readKeyCheck(upstreamKeys.checkPath, faults);
  tell('upstream', 'upstreamKeys');
  const ports = { gateway: port, issuer: port + 1, emulator: port + 3, operations: port + 4 };
  const issuerUrl = `http://127.0.0.1:${ports.issuer}`;
  const issuers: readonly TrustedIssuer[] = [
    { issuer: issuerUrl, algorithms: ['ES256', 'EdDSA'], keys: { discovery: true } },
    ...readTrustedIssuers(general.issuers, faults),
  ];
  if (release !== null) requireNamedIssuers(release, issuers.length, faults);
  const { host } = listen;
  const gatewayUrl = `${listen.tlsCert === null ? 'http' : 'https'}://${inUrl(isLoopback(host) ? host : '127.0.0.1')}:${port}`;
  tell('listen', 'gateway', 'accessTokens');
  const gateway = readGateway(
    {
      environment,
      identifier: policy?.identifier ?? gatewayUrl,
      issuers: issuers.map((each) => each.issuer),
      host,
      port,
      upstream: upstream.kind === 'emulator' ? `http://127.0.0.1:${ports.emulator}` : upstream.origin,
    },
    settings.values,
    faults,
  );
  tell('issuer');
  if (faults.length > 0 || release === null || gateway === null) throw new SettingsError(faults);
  const data = dataDir(settings);
  return {
    data,
    environment,
    release,
    ports,
    issuerUrl,
    issuerLimits: issuer,
    issuers,
    verifier: {
      maxLifetimeSeconds: accessTokens.maxLifetimeSeconds,
      skewSeconds: accessTokens.skewSeconds,
      maxTokenLength: limits.maxTokenBytes,
      cacheSize: accessTokens.cacheSize,
      keySetFreshSeconds: accessTokens.keySetFreshSeconds,
      keySetTrustSeconds: accessTokens.keySetTrustSeconds,
      keySetCooldownSeconds: accessTokens.keySetCooldownSeconds,
      fetchTimeoutMs: accessTokens.keySetTimeoutMs,
      maxKeySetBytes: accessTokens.maxKeySetBytes,
    },
    gateway,
    gatewayUrl,
    databaseUrl: record.databaseUrl?.reveal() ?? null,
    acceptedFaults,
    checkpointKey: checkpointKeyFile(settings, environmentDir(data, environment)),
    checkpointTargets,
    exports,
    archiveFolder: record.archiveFolder,
    webhooks,
    upstream,
    keyCheck,
    controlDir: controlDir(settings),
    keysIdentity: () => upstreamKeys.identity?.reveal() ?? null,
    keysIdentityFile: upstreamKeys.identityFile,
  };
}

function readGateway(place: GatewayPlace, values: SettingValues, faults: string[]): GatewayConfig | null {
  try {
    return readGatewayConfig(place, values);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    faults.push(...error.faults.map((fault) => `${fault}.`));
    return null;
  }
}

/** An IPv6 address stands in brackets in a URL (RFC 3986 section 3.2.2). */
function inUrl(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

/** Each fault by its name, and in development alone: elsewhere a record that may lose rows is none. */
function readAcceptedFaults(
  text: string | null,
  environment: EnvironmentName,
  faults: string[],
): readonly DatabaseFault[] {
  if (text === null) return [];
  const names = text.split(',').map((name) => name.trim());
  const accepted = names.filter(isDatabaseFault);
  if (accepted.length < names.length) {
    faults.push(
      `IDEOGATE_ACCEPT_UNSAFE_DATABASE must name faults, joined by commas, out of: ${Object.keys(DATABASE_FAULTS).join(', ')}.`,
    );
  }
  if (environment !== 'development') {
    faults.push(
      `IDEOGATE_ACCEPT_UNSAFE_DATABASE is for development alone, and this is ${environment}: mend the database instead.`,
    );
  }
  return accepted;
}

function loadPolicy(settings: Settings, faults: string[]): Release | null {
  try {
    const parsed = parsePolicy(readPolicyFiles(policyPaths(settings)), OPERATIONS);
    if (parsed.ok) return parsed.release;
    faults.push(...parsed.faults.map(formatFault));
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    faults.push(...error.faults);
  }
  return null;
}
