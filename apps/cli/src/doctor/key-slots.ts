import { configuredKeyId } from '@ideogate/upstream-keys';
import { fault, type Finding, NO_SETTINGS, ok, warning } from './finding.ts';
import type { Surroundings } from './surroundings.ts';

const MEND = "make a second key in Ideogram's dashboard, and set IDEOGRAM_READ_KEY and IDEOGRAM_WRITE_KEY";

/** Ids are made under a secret; to compare two of them any will do. */
const COMPARED = 'to compare';

/** What only reads goes out with a key of its own. */
export async function keySlots({ config, ready, storedKeys }: Surroundings): Promise<readonly Finding[]> {
  if (config === null) return [NO_SETTINGS];
  const { upstream } = config;
  switch (upstream.kind) {
    case 'emulator':
      return [ok('the emulator has a key for each slot')];
    case 'configured': {
      const { read, write } = upstream.keys;
      if (read.variable === write.variable)
        return [
          warning(
            `one key, from ${read.variable}, fills both slots: whoever reads could write with it`,
            MEND,
          ),
        ];
      if (configuredKeyId(read, COMPARED) === configuredKeyId(write, COMPARED))
        return [
          warning(
            `${read.variable} and ${write.variable} hold one key: whoever reads could write with it`,
            MEND,
          ),
        ];
      return [ok(`${read.variable} and ${write.variable} hold different keys`)];
    }
    case 'sealed': {
      const active = (await storedKeys()).filter(({ state }) => state === 'active');
      const [read, write] = (['read', 'write'] as const).map(
        (slot) => active.find((key) => key.slot === slot)?.id,
      );
      if (ready !== null && (read === undefined || write === undefined))
        return [
          fault(
            `the ${read === undefined ? 'read' : 'write'} slot of the sealed store has no active key`,
            `ideogate keys rotate --for ${read === undefined ? 'read' : 'write'}`,
          ),
        ];
      if (read !== undefined && read === write)
        return [warning(`one key, ${read}, is active in both slots`, 'ideogate keys rotate --for read')];
      return [
        ok(`the sealed store has ${read ?? 'no key'} for reading and ${write ?? 'no key'} for writing`),
      ];
    }
  }
}
