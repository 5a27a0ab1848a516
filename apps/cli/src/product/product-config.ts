import { readFileSync } from 'node:fs';
import { dirname, isAbsolute, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ENVIRONMENTS, type EnvironmentName, isEnvironmentName } from '@ideogate/contract';
import { isLoopback } from '@ideogate/gateway';
import { OPERATIONS } from '@ideogate/ideogram';
import {
  type EnvironmentPolicy,
  formatFault,
  parsePolicy,
  type PolicyFile,
  type Release,
} from '@ideogate/policy';
import { CommandError, EXIT } from '../exit-codes.ts';
import { codeOf, dataFolder } from './data-folder.ts';

const REPOSITORY = join(dirname(fileURLToPath(import.meta.url)), '../../../..');
const REAL_UPSTREAM = 'https://api.ideogram.ai';

/** Which keys, and which upstream they are for. */
export type UpstreamChoice =
  | { readonly kind: 'emulator' }
  | {
      readonly kind: 'given';
      readonly origin: string;
      readonly read?: string;
      readonly write?: string;
      readonly both?: string;
    };

/** What `start` was asked to run, already checked. */
export interface ProductConfig {
  readonly data: string;
  readonly environment: EnvironmentName;
  readonly release: Release;
  readonly policy: EnvironmentPolicy;
  readonly ports: {
    readonly gateway: number;
    readonly issuer: number;
    readonly emulator: number;
    readonly metrics: number;
  };
  readonly identifier: string;
  /** Address the gateway listens on. */
  readonly host: string;
  readonly gatewayUrl: string;
  readonly databaseUrl: string | null;
  readonly upstream: UpstreamChoice;
}

/**
 * Reads all of the environment's variables at once.
 *
 * @throws CommandError that lists every fault.
 */
export function readProductConfig(env: NodeJS.ProcessEnv): ProductConfig {
  const faults: string[] = [];
  const environment = readEnvironment(env['IDEOGATE_ENVIRONMENT'], faults);
  const port = readPort(env['IDEOGATE_PORT'], faults);
  const databaseUrl = readDatabaseUrl(env['DATABASE_URL'], faults);
  const release = loadPolicy(env);
  const policy = release.environments.get(environment);
  if (policy === undefined) {
    throw new CommandError(EXIT.invalidInput, [
      ...faults,
      `The policy has no environment ${environment}: add it, or set IDEOGATE_ENVIRONMENT.`,
    ]);
  }
  const upstream = readUpstream(env, policy, faults);
  if (faults.length > 0) throw new CommandError(EXIT.invalidInput, faults);
  const host = env['IDEOGATE_HOST'] || '127.0.0.1';
  const gatewayUrl = `${env['IDEOGATE_TLS_CERT'] ? 'https' : 'http'}://${isLoopback(host) ? host : '127.0.0.1'}:${port}`;
  return {
    data: dataFolder(env),
    environment,
    release,
    policy,
    ports: { gateway: port, issuer: port + 1, emulator: port + 3, metrics: port + 4 },
    identifier: policy.identifier ?? gatewayUrl,
    host,
    gatewayUrl,
    databaseUrl,
    upstream,
  };
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

function readUpstream(env: NodeJS.ProcessEnv, policy: EnvironmentPolicy, faults: string[]): UpstreamChoice {
  const names = {
    read: policy.keys.read ?? 'IDEOGRAM_READ_KEY',
    write: policy.keys.write ?? 'IDEOGRAM_WRITE_KEY',
  };
  const both = env['IDEOGRAM_API_KEY'] || undefined;
  const read = env[names.read] || undefined;
  const write = env[names.write] || undefined;
  const base = env['IDEOGRAM_BASE_URL'] || undefined;
  if (both === undefined && read === undefined && write === undefined) {
    if (base === undefined) return { kind: 'emulator' };
    faults.push(
      `IDEOGRAM_BASE_URL names an upstream, but there is no key for it: set IDEOGRAM_API_KEY, or ${names.read} and ${names.write}.`,
    );
    return { kind: 'emulator' };
  }
  if (both === undefined && read === undefined)
    faults.push(`${names.write} is set but ${names.read} is not: set both, or IDEOGRAM_API_KEY.`);
  if (both === undefined && write === undefined)
    faults.push(`${names.read} is set but ${names.write} is not: set both, or IDEOGRAM_API_KEY.`);
  const origin = base ?? policy.upstream ?? REAL_UPSTREAM;
  if (!isOrigin(origin)) {
    faults.push(
      'IDEOGRAM_BASE_URL must be an https origin such as https://api.ideogram.ai, without a path; plain http only on loopback.',
    );
  }
  return {
    kind: 'given',
    origin,
    ...(read === undefined ? {} : { read }),
    ...(write === undefined ? {} : { write }),
    ...(both === undefined ? {} : { both }),
  };
}

function isOrigin(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  if (url.pathname !== '/' || url.search || url.hash || url.username || url.password) return false;
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname));
}

/** Files of the policy: those named in `IDEOGATE_POLICY` (comma separated), else the one that comes with Ideogate. */
export function policyPaths(env: NodeJS.ProcessEnv): readonly string[] {
  const named = (env['IDEOGATE_POLICY'] ?? '')
    .split(',')
    .map((path) => path.trim())
    .filter(Boolean);
  return named.length > 0 ? named : [join(REPOSITORY, 'infra/policies/default.yaml')];
}

export function readPolicyFiles(paths: readonly string[]): PolicyFile[] {
  return paths.map((path) => {
    try {
      return { name: nameOf(path), text: readFileSync(path, 'utf8') };
    } catch (error) {
      throw new CommandError(
        EXIT.invalidInput,
        `The policy file ${path} cannot be read (${codeOf(error)}): check the path and its rights.`,
      );
    }
  });
}

/** Rules name their file the same way on every machine: ours from the repository's root, others as they were given. */
function nameOf(path: string): string {
  const inside = relative(REPOSITORY, path);
  return isAbsolute(path) && !inside.startsWith('..') ? inside.replaceAll('\\', '/') : path;
}

function loadPolicy(env: NodeJS.ProcessEnv): Release {
  const parsed = parsePolicy(readPolicyFiles(policyPaths(env)), OPERATIONS);
  if (parsed.ok) return parsed.release;
  throw new CommandError(EXIT.invalidInput, [
    'The policy has faults; nothing was started:',
    ...parsed.faults.map(formatFault),
  ]);
}
