import { X509Certificate } from 'node:crypto';
import { ConfigError, readNamedText, type Secret, type SettingValues } from '@ideogate/config';
import { type EnvironmentName, isLoopback } from '@ideogate/contract';
import { type PageOrigins, readPageOrigins } from './page-origins.ts';
import { readTrustedProxies, type TrustedProxies } from './trusted-proxies.ts';

type Numbers = SettingValues['gateway'];

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
  /** Proxies in front of the gateway whose word is taken on who calls. */
  readonly trustedProxies: TrustedProxies;
  readonly upstream: {
    readonly origin: string;
    /** Through which an https upstream is reached; null: straight. */
    readonly proxy: EgressProxy | null;
    /** PEM certificates trusted besides the system's, for the upstream and the proxy before it. */
    readonly extraCa: string | null;
  } & Pick<Numbers, 'connectMs' | 'firstByteMs' | 'wholeMs' | 'connections' | 'readConnections'>;
  readonly limits: Omit<Numbers, keyof GatewayConfig['upstream'] | keyof GatewayConfig['rates']>;
  readonly rates: Pick<Numbers, 'perAddress' | 'perSubject' | 'windowMs' | 'replicas'>;
  readonly redisUrl: string | null;
  /** Web pages that may call. */
  readonly pageOrigins: PageOrigins;
}

/** The longest time from a decision to its outcome, milliseconds: its commit, and then the whole exchange. */
export function callsEndWithinMs({ upstream, limits }: GatewayConfig): number {
  return limits.commitMs + upstream.wholeMs;
}

/** A proxy through which the upstream is reached (RFC 9110 section 9.3.6). */
export interface EgressProxy {
  readonly origin: string;
  /** Value of `Proxy-Authorization`, or null. A function, so that a configuration that is printed does not show it. */
  readonly credentials: () => string | null;
}

export { ConfigError };

/** Where a gateway stands: what no setting of its own says. */
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
 * A gateway's configuration of its settings, and of what is known of its place besides.
 *
 * @throws ConfigError with every fault at once.
 */
export function readGatewayConfig(place: GatewayPlace, settings: SettingValues): GatewayConfig {
  const { general, listen, upstream, gateway: numbers } = settings;
  const faults: string[] = [];
  const tls = readTls(listen, faults);
  const trustedProxies = readTrustedProxies(listen.trustedProxies, faults);
  const origin = readUpstream(place.upstream, faults);
  const proxy = readEgressProxy(upstream.egressProxy, faults);
  const extraCa = readExtraCa(upstream.extraCa, faults);
  if (tls === null && !isLoopback(place.host) && listen.plainHttp !== PLAIN_HTTP_WORDS) {
    faults.push(
      `listening on ${place.host} without TLS would send tokens in the clear: give IDEOGATE_TLS_CERT and IDEOGATE_TLS_KEY, ` +
        `or set IDEOGATE_PLAIN_HTTP=${PLAIN_HTTP_WORDS}`,
    );
  }
  if (!isPlainUrl(place.identifier))
    faults.push('the identifier must be an http(s) URL without query, fragment or credentials');
  const pageOrigins = readPageOrigins(listen.corsOrigins, faults);
  if (faults.length > 0) throw new ConfigError(faults);
  const {
    connectMs,
    firstByteMs,
    wholeMs,
    connections,
    readConnections,
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
    trustedProxies,
    upstream: { origin, proxy, extraCa, connectMs, firstByteMs, wholeMs, connections, readConnections },
    limits,
    rates: { perAddress, perSubject, windowMs, replicas },
    redisUrl: general.redisUrl?.reveal() ?? null,
    pageOrigins,
  };
}

function readTls(
  { tlsCert: certFile, tlsKey: keyFile }: SettingValues['listen'],
  faults: string[],
): { certFile: string; keyFile: string } | null {
  if (certFile !== null && keyFile !== null) return { certFile, keyFile };
  if (certFile !== null || keyFile !== null)
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

/** Faults never quote the text: it may hold a password. */
function readEgressProxy(secret: Secret | null, faults: string[]): EgressProxy | null {
  if (secret === null) return null;
  const text = secret.reveal();
  const url = URL.canParse(text) ? new URL(text) : null;
  const [user, password] = [decoded(url?.username ?? ''), decoded(url?.password ?? '')];
  if (
    url === null ||
    !/^https?:$/.test(url.protocol) ||
    url.pathname !== '/' ||
    url.search ||
    url.hash ||
    user === null ||
    password === null
  ) {
    faults.push(
      'IDEOGATE_EGRESS_PROXY must be the URL of an http or https proxy such as http://proxy.example:3128, without path or query',
    );
    return null;
  }
  const basic =
    user === '' && password === '' ? null : `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  return { origin: url.origin, credentials: () => basic };
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g;

function readExtraCa(file: string | null, faults: string[]): string | null {
  if (file === null) return null;
  try {
    const certificates = readNamedText(file).match(CERTIFICATE) ?? [];
    // Read here once: TLS passes over what it can't read, and every call would fail without saying why.
    if (certificates.length > 0 && certificates.every((pem) => new X509Certificate(pem)))
      return certificates.join('\n');
  } catch {
    // The fault is the same: no certificates were read.
  }
  faults.push(`IDEOGATE_EXTRA_CA: ${file} cannot be used: check that it exists and holds certificates (PEM)`);
  return null;
}

function isPlainUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  return /^https?:$/.test(url.protocol) && !url.search && !url.hash && !url.username && !url.password;
}
