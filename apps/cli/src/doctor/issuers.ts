import { lookAtIssuer } from '@ideogate/access-token';
import { fault, type Finding, NO_SETTINGS, NOT_RUNNING, ok } from './finding.ts';
import type { Surroundings } from './surroundings.ts';

/** The key set of every trusted issuer can be fetched, and has a key that tokens can be verified with. */
export async function issuers({ config, ready }: Surroundings): Promise<readonly Finding[]> {
  if (config === null) return [NO_SETTINGS];
  return Promise.all(
    config.issuers.map(async (trusted) => {
      // The product's own is down with it.
      if (ready === null && trusted.issuer === config.issuerUrl) return NOT_RUNNING;
      const look = await lookAtIssuer(trusted);
      return look.ok
        ? ok(`issuer ${trusted.issuer}: ${look.keys} ${look.keys === 1 ? 'key' : 'keys'} fetched and usable`)
        : fault(
            `issuer ${trusted.issuer}: ${look.faults.join('; ')}`,
            'see the issuer, and IDEOGATE_ISSUERS',
          );
    }),
  );
}
