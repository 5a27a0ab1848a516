import { setTimeout as delay } from 'node:timers/promises';
import { type CheckName, CHECKS } from '../doctor/checks.ts';
import { type Finding, type FindingStatus, unknown } from '../doctor/finding.ts';
import { lookAround, type Surroundings } from '../doctor/surroundings.ts';
import { CommandError, EXIT } from '../exit-codes.ts';
import { codeOf } from '../product/data-folder.ts';
import { printed, wantsJson, writeJson } from '../terminal.ts';

export interface DoctorOptions {
  readonly known?: string;
  readonly json?: boolean;
}

/** A finding, and the check it is of. */
type Told = Finding & { readonly check: CheckName };

/** Looks at everything that keys, record and calls rely on. Ends with 1 when there is a fault. */
export async function doctor(env: NodeJS.ProcessEnv, options: DoctorOptions): Promise<number> {
  const surroundings = await lookAround(env, process.cwd(), options);
  // Who looks is on record first, where a record can be had; that it cannot is for the check of it to tell.
  await surroundings.noted().catch(() => null);
  const names = Object.keys(CHECKS) as CheckName[]; // as: keys of a const object
  const findings = (await Promise.all(names.map((name) => tell(name, surroundings)))).flat();
  if (wantsJson(options)) writeJson(findings);
  else process.stdout.write(`${inWords(findings).join('\n')}\n`);
  return findings.some(({ status }) => status === 'fault') ? EXIT.failed : EXIT.fine;
}

const BOUND_MS = 30_000;

/** A check that fails or hangs has found nothing out, and the others go on. */
async function tell(check: CheckName, surroundings: Surroundings): Promise<readonly Told[]> {
  const over = delay(BOUND_MS, [unknown(`not done within ${BOUND_MS / 1000} s`, 'give the command again')], {
    ref: false,
  });
  const findings = await Promise.race([CHECKS[check].run(surroundings), over]).catch((error: unknown) => [
    unknown(`it could not be looked at: ${whyNot(error)}`, 'see set-up, audit and database first'),
  ]);
  return findings.map((finding) => ({ check, ...finding }));
}

/** Words of ours hold no secret; those of a library may. */
function whyNot(error: unknown): string {
  if (error instanceof CommandError) return error.message;
  const code = codeOf(error);
  return code === 'unreadable' && error instanceof Error ? error.name : code;
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
