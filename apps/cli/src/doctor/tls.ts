import { probeDatabase } from '@ideogate/postgres';
import { errorCode, isLoopback } from '@ideogate/contract';
import { loginOf } from '../running-product.ts';
import { probeUpstream } from '../standalone.ts';
import { fault, type Finding, NO_SETTINGS, NOT_RUNNING, ok, unknown } from './finding.ts';
import type { Surroundings } from './surroundings.ts';

/** Connections to the upstream and to the database are made to whom they should be: each is opened and looked at. */
export async function tls({ config, ready }: Surroundings): Promise<readonly Finding[]> {
  return [
    config === null ? NO_SETTINGS : await upstream(config.gateway.upstream),
    ready === null ? NOT_RUNNING : await database(loginOf(ready, 'read')),
  ];
}

async function upstream(to: Parameters<typeof probeUpstream>[0]): Promise<Finding> {
  const { host } = new URL(to.origin);
  try {
    const { tls: agreed } = await probeUpstream(to);
    if (agreed === null) return ok(`the upstream ${host} is on this machine, without TLS`);
    return agreed.authorized
      ? ok(
          `the upstream ${host} showed a certificate that verifies, until ${agreed.validTo} (${agreed.protocol}); no request was sent`,
        )
      : fault(
          `the connection to the upstream ${host} is not authorised`,
          'set IDEOGATE_EXTRA_CA to its authority, or mend its certificate',
        );
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'no answer';
    if (/CERT|TLS|SSL|SIGNATURE|ALTNAME/.test(code))
      return fault(
        `the upstream ${host} does not show a certificate that verifies (${code}); no request was sent`,
        'set IDEOGATE_EXTRA_CA to its authority, or mend its certificate or IDEOGRAM_BASE_URL',
      );
    return unknown(
      `the upstream ${host} cannot be reached (${code})`,
      'see the network, IDEOGRAM_BASE_URL and IDEOGATE_EGRESS_PROXY',
    );
  }
}

async function database(url: string): Promise<Finding> {
  const { hostname } = new URL(url);
  const mend = 'add sslmode=verify-full to DATABASE_URL, and start again';
  try {
    const { tls: agreed } = await probeDatabase(url);
    if (agreed === null)
      return isLocal(hostname)
        ? ok('the database is on this machine, without TLS')
        : fault('the connection to the database is in the clear', mend);
    if (agreed.authorized) return ok(`the database showed a certificate that verifies (${agreed.protocol})`);
    return isLocal(hostname)
      ? ok(`the database is on this machine; its certificate was not verified (${agreed.protocol})`)
      : fault(`the connection to the database is not authorised (${agreed.protocol})`, mend);
  } catch (error) {
    return unknown(`the database cannot be reached (${errorCode(error)})`, 'see that it is up');
  }
}

/** A URL without a host is a socket of this machine. */
function isLocal(hostname: string): boolean {
  return hostname === '' || hostname.startsWith('%2F') || isLoopback(hostname);
}
