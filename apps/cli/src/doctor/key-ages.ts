import { ageOfKey } from '@ideogate/upstream-keys';
import { fault, type Finding, NO_SETTINGS, NOT_RUNNING, ok, warning } from './finding.ts';
import type { Surroundings } from './surroundings.ts';

const DAY_MS = 86_400_000;
/** A rotation takes minutes; one that stands this long was forgotten. */
const STANDS_MS = DAY_MS;

/** No key is older than policy lets it be, each has a day by which it is replaced, and no rotation stands still. */
export async function keyAges({
  config,
  ready,
  configuredKeys,
  storedKeys,
}: Surroundings): Promise<readonly Finding[]> {
  if (config === null) return [NO_SETTINGS];
  if (ready === null) return [NOT_RUNNING];
  const now = new Date();
  const { maxAgeDays = 90, atMaxAge } = config.release.environments.get(config.environment)?.keys ?? {};
  const stored = await storedKeys();
  const inUse = [
    ...configuredKeys().flatMap(({ id, slot, since }) =>
      since === null ? [] : [{ id, slot, since: new Date(since) }],
    ),
    ...stored
      .filter(({ state }) => state === 'active')
      .map(({ id, slot, addedAt }) => ({ id, slot, since: addedAt })),
  ];
  const ages = inUse.map(({ id, slot, since }) => {
    const { days, verdict } = ageOfKey(since, now, maxAgeDays);
    const until = new Date(since.getTime() + maxAgeDays * DAY_MS).toISOString().slice(0, 10);
    const told = `the ${slot} key ${id} is ${days} days old, of at most ${maxAgeDays}; to be replaced by ${until}`;
    const mend = `ideogate keys rotate --for ${slot}`;
    if (verdict === 'over')
      return fault(atMaxAge === 'refuse' ? `${told}; calls with it are refused` : told, mend);
    return verdict === 'due' ? warning(told, mend) : ok(told);
  });
  const standing = stored
    .filter(({ state, since }) => isUnderWay(state) && now.getTime() - since.getTime() > STANDS_MS)
    .map(({ id, slot, state, since }) =>
      warning(
        `the rotation of the ${slot} key stands still: ${id} is ${state} since ${since.toISOString().slice(0, 10)}`,
        `ideogate keys rotate --for ${slot}, which goes on where it was`,
      ),
    );
  if (ages.length + standing.length > 0) return [...ages, ...standing];
  return [ok("the emulator's own keys are made at the first start and have no age")];
}

function isUnderWay(state: string): boolean {
  return state === 'pending' || state === 'verified' || state === 'draining';
}
