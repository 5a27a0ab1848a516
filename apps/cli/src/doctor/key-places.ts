import { fault, type Finding, NO_SETTINGS, ok, unknown } from './finding.ts';
import type { Surroundings } from './surroundings.ts';

/** Keys come from the environment, files or the sealed store, and none is in a file that git has or would take. */
export async function keyPlaces({
  config,
  ready,
  scanned,
  storedKeys,
}: Surroundings): Promise<readonly Finding[]> {
  if (config === null) return [NO_SETTINGS];
  const { upstream } = config;
  const { finds, files, keys, notes } = await scanned();
  const known = finds.filter(({ keyId }) => keyId !== null);
  if (known.length > 0)
    return known.map(({ keyId, file, line }) =>
      fault(
        `key ${keyId} is in ${file}, line ${line}`,
        `ideogate kill --key ${keyId} --reason leaked, then ideogate keys rotate; take it out of the file`,
      ),
    );
  const come =
    upstream.kind === 'emulator'
      ? "no key is given: the emulator's own are used"
      : upstream.kind === 'sealed'
        ? `${(await storedKeys()).filter(({ state }) => state === 'active').length} keys are active in the sealed store`
        : `keys come from ${[...new Set([upstream.keys.read.variable, upstream.keys.write.variable])].join(' and ')}`;
  if (keys === 0 && upstream.kind !== 'emulator')
    return [
      unknown(
        `${come}; whether one is in a file cannot be said, for no key's id is known here`,
        ready === null ? 'pnpm start' : 'ideogate keys list, and give what it prints with --known',
      ),
    ];
  return [
    ok(`${come}; none of the known keys (${keys}) is in the working folder (files looked at: ${files})`),
    ...notes.map((note) => unknown(note, 'mend the database first')),
  ];
}
