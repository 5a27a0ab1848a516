import type { EnvironmentName } from '@ideogate/contract';
import { type Numbers, readNumbers, type Environment } from './settings.ts';

/** All a gateway needs to know, already valid. */
export interface GatewayConfig {
  readonly environment: EnvironmentName;
  /** The gateway's public URL: the token's `aud`, and `resource` in RFC 9728. No trailing slash. */
  readonly identifier: string;
  /** Issuers whose tokens are taken, for the metadata page. */
  readonly issuers: readonly string[];
  readonly listen: {
    readonly host: string;
    readonly port: number;
    readonly tls: { certFile: string; keyFile: string } | null;
  };
  readonly upstream: { readonly origin: string } & Pick<
    Numbers,
    'connectMs' | 'firstByteMs' | 'wholeMs' | 'connections'
  >;
  readonly limits: Omit<Numbers, keyof GatewayConfig['upstream'] | keyof GatewayConfig['rates']>;
  readonly rates: Pick<Numbers, 'perAddress' | 'perSubject' | 'windowMs' | 'replicas'>;
  readonly redisUrl: string | null;
}

/** What is wrong with a configuration: every fault, a line each. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly faults: readonly string[];
  constructor(faults: readonly string[]) {
    super(faults.join('\n'));
    this.faults = faults;
  }
}

export interface GatewayPlace {
  readonly environment: EnvironmentName;
  readonly identifier: string;
  readonly issuers: readonly string[];
  readonly host: string;
  readonly port: number;
  /** Origin of the upstream, e.g. `https://api.ideogram.ai`. */
  readonly upstream: string;
}

/** The words that allow plain http off loopback; nobody types them by accident. */
export const PLAIN_HTTP_WORDS = 'i-terminate-tls-in-front-of-this';

/**
 * @throws ConfigError with every fault at once.
 */
export function readGatewayConfig(place: GatewayPlace, env: Environment): GatewayConfig {
  const faults: string[] = [];
  const numbers = readNumbers(env, faults);
  if (numbers.headersMs > numbers.requestMs) {
    faults.push(
      `IDEOGATE_REQUEST_TIMEOUT_MS (${numbers.requestMs} ms) must not be shorter than IDEOGATE_HEADERS_TIMEOUT_MS (${numbers.headersMs} ms)`,
    );
  }
  const tls = readTls(env, faults);
  const origin = readUpstream(place.upstream, faults);
  if (tls === null && !isLoopback(place.host) && env['IDEOGATE_PLAIN_HTTP'] !== PLAIN_HTTP_WORDS) {
    faults.push(
      `listening on ${place.host} without TLS would send tokens in the clear: give IDEOGATE_TLS_CERT and IDEOGATE_TLS_KEY, ` +
        `or set IDEOGATE_PLAIN_HTTP=${PLAIN_HTTP_WORDS}`,
    );
  }
  const redisUrl = env['REDIS_URL'] || null;
  if (redisUrl !== null && !/^rediss?:\/\//.test(redisUrl))
    faults.push('REDIS_URL must begin with redis:// or rediss://');
  if (!isPlainUrl(place.identifier))
    faults.push('the identifier must be an http(s) URL without query, fragment or credentials');
  if (faults.length > 0) throw new ConfigError(faults);
  const {
    connectMs,
    firstByteMs,
    wholeMs,
    connections,
    perAddress,
    perSubject,
    windowMs,
    replicas,
    ...limits
  } = numbers;
  return {
    environment: place.environment,
    identifier: place.identifier.replace(/\/$/, ''),
    issuers: place.issuers,
    listen: { host: place.host, port: place.port, tls },
    upstream: { origin, connectMs, firstByteMs, wholeMs, connections },
    limits,
    rates: { perAddress, perSubject, windowMs, replicas },
    redisUrl,
  };
}

function readTls(env: Environment, faults: string[]): { certFile: string; keyFile: string } | null {
  const certFile = env['IDEOGATE_TLS_CERT'];
  const keyFile = env['IDEOGATE_TLS_KEY'];
  if (certFile && keyFile) return { certFile, keyFile };
  if (certFile || keyFile)
    faults.push('IDEOGATE_TLS_CERT and IDEOGATE_TLS_KEY go together: one of them is missing');
  return null;
}

function readUpstream(text: string, faults: string[]): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !isPlainUrl(text) || url.pathname !== '/') {
    faults.push(
      'the upstream must be an origin such as https://api.ideogram.ai, without path, query or credentials',
    );
    return '';
  }
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
    faults.push('the upstream may be plain http only on loopback: the key would travel in the clear');
  }
  return url.origin;
}

function isPlainUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  return /^https?:$/.test(url.protocol) && !url.search && !url.hash && !url.username && !url.password;
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || host === '::1' || /^127(?:\.[0-9]{1,3}){3}$/.test(host);
}
