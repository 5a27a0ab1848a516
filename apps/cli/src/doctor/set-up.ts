import { fault, type Finding, NOT_RUNNING, ok, warning } from './finding.ts';
import type { Surroundings } from './surroundings.ts';

/** The settings have no fault, the product answers, and both are of one mind. */
export async function setUp({
  ready,
  gone,
  config,
  settingFaults,
  data,
  configuredKeys,
}: Surroundings): Promise<readonly Finding[]> {
  const settings = settingFaults.map((words) =>
    fault(`with these settings nothing starts: ${words}`, 'change it as it says'),
  );
  if (ready === null)
    return [
      ...settings,
      gone
        ? fault(`${data}/ready.json is there, but no gateway answers where it says`, 'pnpm start')
        : NOT_RUNNING,
    ];
  if (config === null) return settings;
  const { environment, upstream } = config;
  const from =
    upstream.kind === 'configured' ? [upstream.keys.read.variable, upstream.keys.write.variable] : [];
  const apart = [
    ...(ready.environment === environment
      ? []
      : [`it serves ${ready.environment}, these settings ${environment}`]),
    ...(configuredKeys().some(({ from: variable }) => variable === 'emulator') ===
      (upstream.kind === 'emulator') &&
    (upstream.kind !== 'configured' || configuredKeys().every((key) => from.includes(key.from)))
      ? []
      : ['its keys come from elsewhere than these settings say']),
  ];
  if (apart.length > 0)
    return [
      warning(
        `the product was started with other settings than this command has: ${apart.join('; ')}`,
        'give this command the variables that start was given, or start again',
      ),
    ];
  return [ok(`${ready.environment} runs at ${ready.gateway}, with the settings that this command has`)];
}
