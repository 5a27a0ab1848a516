import type { TrustedIssuer, VerifierConfig } from '@ideogate/access-token';
import { DATABASE_FAULTS, type DatabaseFault, isDatabaseFault } from '@ideogate/audit';
import { dirname, isAbsolute, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type EnvironmentName, isLoopback } from '@ideogate/contract';
import type { SettingGroup, Settings, SettingValues } from '@ideogate/config';
import { ConfigError, type GatewayConfig, type GatewayPlace, readGatewayConfig } from '@ideogate/gateway';
import { OPERATIONS } from '@ideogate/ideogram';
import type { IssuerLimits } from '@ideogate/issuer';
import { formatFault, parsePolicy, type PolicyFile, type Release } from '@ideogate/policy';
import { readNamedText } from '@ideogate/upstream-keys';
import { CommandError, EXIT } from '../exit-codes.ts';
import { readTrustedIssuers, requireNamedIssuers } from './trusted-issuers.ts';
import { readWebhookEndpoints, type WebhookEndpointConfig } from './webhook-endpoints.ts';
import { type RecordExports, readRecordExports } from './record-export.ts';
import { type CheckpointTarget, checkpointKeyFile, readCheckpointTargets } from './checkpoints.ts';
import { codeOf, controlFolder, dataFolder } from './data-folder.ts';
import {
  type KeyCheckCall,
  readKeyCheck,
  readUpstream,
  refuseKeysOfOthers,
  type UpstreamChoice,
} from './upstream-choice.ts';

const REPOSITORY = join(dirname(fileURLToPath(import.meta.url)), '../../../..');

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
  readonly controlFolder: string;
  /** Text of the identity that opens sealed keys; null: the file beside. A function, so that a configuration that is printed does not show it. */
  readonly keysIdentity: () => string | null;
  readonly keysIdentityFile: string | null;
}

/**
 * Makes of the settings, and of the files they name, what the product is to be.
 *
 * @throws CommandError that lists every fault.
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
  const checkpointTargets = readCheckpointTargets(record.checkpointsTo, faults);
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
  if (faults.length > 0 || release === null || gateway === null)
    throw new CommandError(EXIT.invalidInput, faults);
  return {
    data: dataFolder(settings),
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
      keySetStaleSeconds: accessTokens.keySetTrustSeconds,
      keySetCooldownSeconds: accessTokens.keySetCooldownSeconds,
      fetchTimeoutMs: accessTokens.keySetTimeoutMs,
      maxKeySetBytes: accessTokens.maxKeySetBytes,
    },
    gateway,
    gatewayUrl,
    databaseUrl: record.databaseUrl?.reveal() ?? null,
    acceptedFaults,
    checkpointKey: checkpointKeyFile(settings, join(dataFolder(settings), environment)),
    checkpointTargets,
    exports,
    archiveFolder: record.archiveFolder,
    webhooks,
    upstream,
    keyCheck,
    controlFolder: controlFolder(settings),
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

/** Files of the policy: those named in `IDEOGATE_POLICY` (comma separated), else the one that comes with Ideogate. */
export function policyPaths({ values }: Settings): readonly string[] {
  const named = (values.general.policy ?? '')
    .split(',')
    .map((path) => path.trim())
    .filter(Boolean);
  return named.length > 0 ? named : [join(REPOSITORY, 'infra/policies/default.yaml')];
}

/** @throws CommandError that names every file it cannot read. */
export function readPolicyFiles(paths: readonly string[]): PolicyFile[] {
  const files: PolicyFile[] = [];
  const faults: string[] = [];
  for (const path of paths) {
    try {
      files.push({ name: nameOf(path), text: readNamedText(path) });
    } catch (error) {
      faults.push(
        `The policy file ${path} cannot be read (${codeOf(error)}): check the path and its rights.`,
      );
    }
  }
  if (faults.length > 0) throw new CommandError(EXIT.invalidInput, faults);
  return files;
}

/** Rules name their file the same way on every machine: ours from the repository's root, others as they were given. */
function nameOf(path: string): string {
  const inside = relative(REPOSITORY, path);
  return isAbsolute(path) && !inside.startsWith('..') ? inside.replaceAll('\\', '/') : path;
}

function loadPolicy(settings: Settings, faults: string[]): Release | null {
  try {
    const parsed = parsePolicy(readPolicyFiles(policyPaths(settings)), OPERATIONS);
    if (parsed.ok) return parsed.release;
    faults.push(...parsed.faults.map(formatFault));
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    faults.push(error.message);
  }
  return null;
}
