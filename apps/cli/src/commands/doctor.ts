import type { Settings } from '@ideogate/config';
import { bounded } from '../doctor/bounded.ts';
import { type CheckName, CHECKS } from '../doctor/checks.ts';
import type { Finding, FindingStatus } from '../doctor/finding.ts';
import { lookAround, type Surroundings } from '../doctor/surroundings.ts';
import { EXIT } from '../exit-codes.ts';
import { printed, wantsJson, writeJson } from '../terminal.ts';

/** Flags of `ideogate doctor`. */
export interface DoctorOptions {
  readonly known?: string;
  readonly json?: boolean;
}

/** A finding, and the check it is of. */
type Told = Finding & { readonly check: CheckName };

/** Looks at everything that keys, record and calls rely on. Ends with 1 when there is a fault. */
export async function doctor(settings: Settings, options: DoctorOptions): Promise<number> {
  const surroundings = await lookAround(settings, process.cwd(), options);
  // Who looks is on record first, where a record can be had; that it cannot is for the check of it to tell.
  await surroundings.noted().catch(() => null);
  const names = Object.keys(CHECKS) as CheckName[]; // as: keys of a const object
  const findings = (await Promise.all(names.map((name) => tell(name, surroundings)))).flat();
  if (wantsJson(options)) writeJson(findings);
  else process.stdout.write(`${inWords(findings).join('\n')}\n`);
  return findings.some(({ status }) => status === 'fault') ? EXIT.failed : EXIT.fine;
}

const BOUND_MS = 30_000;

async function tell(check: CheckName, surroundings: Surroundings): Promise<readonly Told[]> {
  const findings = await bounded(() => CHECKS[check].run(surroundings), BOUND_MS);
  return findings.map((finding) => ({ check, ...finding }));
}

const SIGNS: Readonly<Record<FindingStatus, string>> = {
  ok: 'ok',
  warning: 'warning',
  fault: 'FAULT',
  unknown: 'unknown',
};
const WIDTHS = [9, 18] as const;

function inWords(findings: readonly Told[]): readonly string[] {
  const indent = ' '.repeat(WIDTHS[0] + WIDTHS[1]);
  const count = (status: FindingStatus) => findings.filter((finding) => finding.status === status).length;
  return [
    ...findings.flatMap(({ check, status, evidence, mend }) => [
      `${SIGNS[status].padEnd(WIDTHS[0])}${check.padEnd(WIDTHS[1])}${printed(evidence)}`,
      ...(mend === null ? [] : [`${indent}mend: ${printed(mend)}`]),
    ]),
    '',
    `${count('fault')} faults, ${count('warning')} warnings, ${count('unknown')} not known, ${count('ok')} ok.`,
  ];
}
