import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { Socket } from 'node:net';
import { getCACertificates } from 'node:tls';
import { networkReason, type Reason } from '@ideogate/contract';
import { buildConnector } from 'undici';
import type { EgressProxy, GatewayConfig } from '../config.ts';
import { UpstreamProblem } from './upstream-problem.ts';

/**
 * Opens connections to the upstream: straight, or through a tunnel of the egress proxy (RFC 9110 section 9.3.6).
 * TLS is agreed on with the upstream itself and its certificate and name are verified, tunnel or not: the proxy sees
 * host and port. A plain http upstream is on loopback and is never asked through a proxy, which would see the key.
 */
export function createConnector(upstream: GatewayConfig['upstream']): buildConnector.connector {
  const { connectMs, proxy } = upstream;
  const trust = trusted(upstream.extraCa);
  // HTTP/1.1 only: all that is promised of failing upstreams was shown on it.
  const straight = buildConnector({ timeout: connectMs, allowH2: false, ...trust });
  if (proxy === null || upstream.origin.startsWith('http:')) return straight;
  return (options, callback) => {
    const until = performance.now() + connectMs;
    openTunnel(proxy, trust, options, connectMs).then(
      (httpSocket) => {
        const timeout = Math.max(1, Math.ceil(until - performance.now()));
        buildConnector({ timeout, allowH2: false, ...trust })({ ...options, httpSocket }, callback);
      },
      (error: unknown) => callback(error instanceof Error ? error : new Error('unknown failure'), null),
    );
  };
}

interface Trust {
  readonly rejectUnauthorized: true;
  readonly minVersion: 'TLSv1.2';
  readonly ca?: string[];
}

function trusted(extraCa: string | null): Trust {
  const strict = { rejectUnauthorized: true, minVersion: 'TLSv1.2' } as const;
  return extraCa === null ? strict : { ...strict, ca: [...getCACertificates('default'), extraCa] };
}

function openTunnel(
  proxy: EgressProxy,
  trust: Trust,
  { hostname, port }: buildConnector.Options,
  milliseconds: number,
): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const authority = `${hostname}:${port || '443'}`;
  const credentials = proxy.credentials();
  const ask = proxy.origin.startsWith('https:') ? requestHttps : requestHttp;
  const tunnel = ask(proxy.origin, {
    agent: false,
    method: 'CONNECT',
    path: authority,
    headers: { host: authority, ...(credentials === null ? {} : { 'proxy-authorization': credentials }) },
    ...trust,
  });
  // One bound on connecting, TLS and answer, whichever of them the proxy is slow at.
  const bound = setTimeout(
    () => tunnel.destroy(new UpstreamProblem('upstream-timeout', 'proxy-connect')),
    milliseconds,
  );
  const fail = (reason: Reason) => reject(new UpstreamProblem('upstream-unreachable', reason));
  tunnel.once('connect', ({ statusCode }, socket: Socket, early: Buffer) => {
    clearTimeout(bound);
    // Bytes before ours would be the proxy's own word in the upstream's place.
    if (statusCode === 200 && early.length === 0) {
      resolve(socket);
      return;
    }
    socket.destroy();
    fail(statusCode === 200 ? 'proxy-invalid' : `proxy-status-${statusCode ?? 0}`);
  });
  tunnel.once('response', ({ statusCode }) => {
    tunnel.destroy();
    fail(`proxy-status-${statusCode ?? 0}`);
  });
  tunnel.once('upgrade', (_answer, socket) => {
    socket.destroy();
    fail('proxy-invalid');
  });
  tunnel.on('error', (error: NodeJS.ErrnoException) => {
    clearTimeout(bound);
    if (error instanceof UpstreamProblem) reject(error);
    else fail(networkReason(error.code ?? null, 'proxy-'));
  });
  tunnel.once('close', () => clearTimeout(bound));
  tunnel.end();
  return promise;
}
