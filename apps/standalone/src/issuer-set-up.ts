import { join } from 'node:path';
import { type EnvironmentName, WILDCARDS } from '@ideogate/contract';
import { type Client, clientsFile } from '@ideogate/data-dir';
import { type IssuerSetUp, loadOrCreateClients } from '@ideogate/issuer';
import { expandPattern, grantedScopes, grantOf, type Release } from '@ideogate/policy';
import type { ProductConfig } from './product-config.ts';

/** A client for every caller that the policy grants anything here, with its scopes as the policy words them. */
export async function clientsOf(
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
export function issuerSetUp(
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
