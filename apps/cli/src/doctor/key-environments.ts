import { ENVIRONMENTS } from '@ideogate/contract';
import { environmentDir, hasInstallationKeys, readInstallationKey } from '@ideogate/data-dir';
import { configuredKeyId, readKeyBindings } from '@ideogate/upstream-keys';
import { fault, type Finding, NO_SETTINGS, ok, unknown } from './finding.ts';
import type { Surroundings } from './surroundings.ts';

const MEND = "make a key of its own for each in Ideogram's dashboard, then ideogate keys rotate";

/**
 * No key serves two environments. Ids are made under a secret of each environment, so a key at hand is fingerprinted
 * under each secret at hand, and compared with the ids that are known of the others; a sealed one by its own id alone.
 */
export async function keyEnvironments(surroundings: Surroundings): Promise<readonly Finding[]> {
  const { config, data, configuredKeys, knownElsewhere, storedKeys } = surroundings;
  if (config === null) return [NO_SETTINGS];
  const { environment, upstream } = config;
  if (upstream.kind === 'emulator') return [ok("the emulator's own keys are made for this data folder")];
  const others = knownElsewhere.filter((key) => key.environment !== environment);
  const given = upstream.kind === 'configured' ? upstream.all : [];
  const secrets = ENVIRONMENTS.map((name) => environmentDir(data, name))
    .filter(hasInstallationKeys)
    .map((dir) => readInstallationKey(dir, 'fingerprint'));
  const live = (await storedKeys()).filter(({ state }) => state !== 'revoked');
  const ids = new Map([...configuredKeys(), ...live].map(({ id, slot }) => [id, `the ${slot} key ${id}`]));
  for (const secret of secrets)
    for (const key of given)
      if (!ids.has(configuredKeyId(key, secret))) ids.set(configuredKeyId(key, secret), key.variable);
  const shared = others.filter(({ id }) => ids.has(id));
  const bindings = readKeyBindings(data);
  const claimed = given.flatMap((key) => {
    const owner = bindings.keys[configuredKeyId(key, bindings.secret)]?.environment;
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
  const kept = Object.values(bindings.keys).filter((bound) => bound.environment !== environment).length;
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
