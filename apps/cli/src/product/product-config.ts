import type { TrustedIssuer } from '@ideogate/access-token';
import { DATABASE_FAULTS, type DatabaseFault, isDatabaseFault } from '@ideogate/audit';
import { dirname, isAbsolute, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ENVIRONMENTS, type EnvironmentName, isEnvironmentName, isLoopback } from '@ideogate/contract';
import { readNumbers } from '@ideogate/config';
import { ConfigError, type GatewayConfig, type GatewayPlace, readGatewayConfig } from '@ideogate/gateway';
import { OPERATIONS } from '@ideogate/ideogram';
import { ISSUER_SETTINGS, type IssuerLimits } from '@ideogate/issuer';
import { formatFault, parsePolicy, type PolicyFile, type Release } from '@ideogate/policy';
import { readNamedText } from '@ideogate/upstream-keys';
import { CommandError, EXIT } from '../exit-codes.ts';
import { readTrustedIssuers, requireNamedIssuers } from './trusted-issuers.ts';
import { readArchiveFolder } from './archiving.ts';
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
 * Reads all of the environment's variables, and the policy, at once.
 *
 * @throws CommandError that lists every fault.
 */
export function readProductConfig(env: NodeJS.ProcessEnv): ProductConfig {
  const faults: string[] = [];
  const environment = readEnvironment(env['IDEOGATE_ENVIRONMENT'], faults);
  const port = readPort(env['IDEOGATE_PORT'], faults);
  const databaseUrl = readDatabaseUrl(env['DATABASE_URL'], faults);
  const acceptedFaults = readAcceptedFaults(env['IDEOGATE_ACCEPT_UNSAFE_DATABASE'], environment, faults);
  const checkpointTargets = readCheckpointTargets(env['IDEOGATE_CHECKPOINTS_TO'], faults);
  const exports = readRecordExports(env, faults);
  const archiveFolder = readArchiveFolder(env, faults);
  const webhooks = readWebhookEndpoints(env, faults);
  const release = loadPolicy(env, faults);
  const policy = release?.environments.get(environment);
  if (release !== null && policy === undefined)
    faults.push(`The policy has no environment ${environment}: add it, or set IDEOGATE_ENVIRONMENT.`);
  const upstream = readUpstream(env, policy, faults);
  if (release !== null && policy !== undefined) refuseKeysOfOthers(release, policy, upstream, env, faults);
  const keyCheck = readKeyCheck(env, faults);
  const ports = { gateway: port, issuer: port + 1, emulator: port + 3, operations: port + 4 };
  const issuerUrl = `http://127.0.0.1:${ports.issuer}`;
  const issuers: readonly TrustedIssuer[] = [
    { issuer: issuerUrl, algorithms: ['ES256', 'EdDSA'], keys: { discovery: true } },
    ...readTrustedIssuers(env['IDEOGATE_ISSUERS'], faults),
  ];
  if (release !== null) requireNamedIssuers(release, issuers.length, faults);
  const host = env['IDEOGATE_HOST'] || '127.0.0.1';
  const gatewayUrl = `${env['IDEOGATE_TLS_CERT'] ? 'https' : 'http'}://${inUrl(isLoopback(host) ? host : '127.0.0.1')}:${port}`;
  const gateway = readGateway(
    {
      environment,
      identifier: policy?.identifier ?? gatewayUrl,
      issuers: issuers.map(({ issuer }) => issuer),
      host,
      port,
      upstream: upstream.kind === 'emulator' ? `http://127.0.0.1:${ports.emulator}` : upstream.origin,
    },
    env,
    faults,
  );
  const issuerFaults: string[] = [];
  const issuerLimits = readNumbers(ISSUER_SETTINGS, env, issuerFaults);
  faults.push(...issuerFaults.map((fault) => `${fault}.`));
  if (faults.length > 0 || release === null || gateway === null)
    throw new CommandError(EXIT.invalidInput, faults);
  return {
    data: dataFolder(env),
    environment,
    release,
    ports,
    issuerUrl,
    issuerLimits,
    issuers,
    gateway,
    gatewayUrl,
    databaseUrl,
    acceptedFaults,
    checkpointKey: checkpointKeyFile(env, join(dataFolder(env), environment)),
    checkpointTargets,
    exports,
    archiveFolder,
    webhooks,
    upstream,
    keyCheck,
    controlFolder: controlFolder(env),
    keysIdentity: () => env['IDEOGATE_KEYS_IDENTITY'] || null,
    keysIdentityFile: env['IDEOGATE_KEYS_IDENTITY_FILE'] || null,
  };
}

function readGateway(place: GatewayPlace, env: NodeJS.ProcessEnv, faults: string[]): GatewayConfig | null {
  try {
    return readGatewayConfig(place, env);
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

function readEnvironment(text: string | undefined, faults: string[]): EnvironmentName {
  if (text === undefined || text === '') return 'staging';
  if (isEnvironmentName(text)) return text;
  faults.push(`IDEOGATE_ENVIRONMENT is none of ${ENVIRONMENTS.join(', ')}.`);
  return 'staging';
}

function readPort(text: string | undefined, faults: string[]): number {
  if (text === undefined || text === '') return 8787;
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= 65_531) return port;
  faults.push('IDEOGATE_PORT must be a port from 1 to 65531: the four above it are used too.');
  return 8787;
}

function readDatabaseUrl(text: string | undefined, faults: string[]): string | null {
  if (text === undefined || text === '') return null;
  if (URL.canParse(text) && /^postgres(?:ql)?:$/.test(new URL(text).protocol)) return text;
  faults.push('DATABASE_URL must look like postgres://user:password@host:5432/database.');
  return null;
}

/** Each fault by its name, and in development alone: elsewhere a record that may lose rows is none. */
function readAcceptedFaults(
  text: string | undefined,
  environment: EnvironmentName,
  faults: string[],
): readonly DatabaseFault[] {
  if (text === undefined || text === '') return [];
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
export function policyPaths(env: NodeJS.ProcessEnv): readonly string[] {
  const named = (env['IDEOGATE_POLICY'] ?? '')
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

function loadPolicy(env: NodeJS.ProcessEnv, faults: string[]): Release | null {
  try {
    const parsed = parsePolicy(readPolicyFiles(policyPaths(env)), OPERATIONS);
    if (parsed.ok) return parsed.release;
    faults.push(...parsed.faults.map(formatFault));
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    faults.push(error.message);
  }
  return null;
}
