import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ENVIRONMENTS } from '@ideogate/contract';
import { loadSecrets } from '../product/data-folder.ts';
import { keyClaims } from '../product/key-claims.ts';
import { idUnder } from '../product/upstream-choice.ts';
import { fault, type Finding, NO_SETTINGS, ok, unknown } from './finding.ts';
import type { Surroundings } from './surroundings.ts';

const MEND = "make a key of its own for each in Ideogram's dashboard, then ideogate keys rotate";

/**
 * No key serves two environments. Ids are made under a secret of each environment, so a key at hand is fingerprinted
 * under each secret at hand, and compared with the ids that are known of the others; a sealed one by its own id alone.
 */
export async function keyEnvironments(surroundings: Surroundings): Promise<readonly Finding[]> {
  const { config, data, ready, knownElsewhere, storedKeys } = surroundings;
  if (config === null) return [NO_SETTINGS];
  const { environment, upstream } = config;
  if (upstream.kind === 'emulator') return [ok("the emulator's own keys are made for this data folder")];
  const others = knownElsewhere.filter((key) => key.environment !== environment);
  const given = upstream.kind === 'given' ? upstream.all : [];
  const secrets = ENVIRONMENTS.filter((name) => existsSync(join(data, name, 'secrets.json'))).map(
    (name) => loadSecrets(join(data, name)).fingerprint,
  );
  const live = (await storedKeys()).filter(({ state }) => state !== 'revoked');
  const ids = new Map(
    [...(ready?.givenKeys ?? []), ...live].map(({ id, slot }) => [id, `the ${slot} key ${id}`]),
  );
  for (const secret of secrets)
    for (const key of given) if (!ids.has(idUnder(key, secret))) ids.set(idUnder(key, secret), key.variable);
  const shared = others.filter(({ id }) => ids.has(id));
  const claims = keyClaims(data);
  const claimed = given.flatMap((key) => {
    const owner = claims.keys[idUnder(key, claims.secret)]?.environment;
    return owner === undefined || owner === environment ? [] : [{ key, owner }];
  });
  if (shared.length + claimed.length > 0)
    return [
      ...shared.map(({ id, environment: theirs }) =>
        fault(
          `${ids.get(id)} of ${environment} is also a key of ${theirs ?? 'another environment'} (${id})`,
          MEND,
        ),
      ),
      ...claimed.map(({ key, owner }) =>
        fault(`${key.variable} holds a key that this data folder knows as one of ${owner}`, MEND),
      ),
    ];
  const kept = Object.values(claims.keys).filter((claim) => claim.environment !== environment).length;
  if (others.length + kept === 0)
    return [
      unknown(
        `nothing is known here of the keys of other environments than ${environment}`,
        'in each: ideogate keys list --json; put them all into one file, and give it with --known',
      ),
    ];
  return [
    ok(
      `no key of ${environment} is known as another's (keys compared with: ${others.length} of --known, ${kept} of this data folder; secrets to make ids with: ${secrets.length})`,
    ),
  ];
}
