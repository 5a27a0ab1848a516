import { refuseOtherMachines } from '../loopback.ts';
import { runFlags } from '../run-flags.ts';
import { forgetShell } from '../shell.ts';
import type { Fault } from './fault.ts';
import { FAULTS } from './faults.ts';
import { stormOf } from './kills.ts';
import { type PlayedFault, runFaults } from './run.ts';
import { tableOf } from './table.ts';

const { flags, whole } = runFlags({
  seeds: { type: 'string', default: '1' },
  seed: { type: 'string', default: String(Date.now() % 1_000_000_000) },
  only: { type: 'string', default: '' },
  kills: { type: 'string' },
  lanes: { type: 'string', default: '3' },
  short: { type: 'boolean', default: false },
});
const kills = flags.kills === undefined ? null : whole('kills', 1);
const lanes = whole('lanes', 1);
const first = whole('seed', 0);
/** A storm is one database: more kills than this would make a record that is slow to judge. */
const KILLS_A_STORM = 50;
const count = kills === null ? whole('seeds', 1) : Math.ceil(kills / KILLS_A_STORM);
const seeds = Array.from({ length: count }, (_, index) => first + index);
const faults = FAULTS.filter(({ name, long }) => name.includes(flags.only) && !(flags.short && long));
if (faults.length === 0) {
  process.stderr.write(`no fault has ${JSON.stringify(flags.only)} in its name; these there are:\n`);
  for (const { name } of FAULTS) process.stderr.write(`  ${name}\n`);
  process.exit(3);
}

forgetShell();
refuseOtherMachines();
process.stdout.write(`seeds ${first} to ${first + count - 1}\n`);
const results = await runFaults({
  faults: kills === null ? faults.filter(isPossible) : [stormOf(KILLS_A_STORM)],
  seeds,
  lanes,
  form: flags.short ? 'short' : 'long',
  onPlayed: tell,
});
process.stdout.write(`\n${tableOf(results)}\n`);
process.exitCode = results.every(isClean) ? 0 : 1;

function isPossible({ name, impossible }: Fault): boolean {
  const why = impossible?.() ?? null;
  if (why !== null) process.stdout.write(`not played: ${name}: ${why}\n`);
  return why === null;
}

function tell(played: PlayedFault): void {
  const { fault, seed, seconds, calls, kills: killed, lost, double, wrong } = played;
  const verdict = isClean(played) ? 'ok' : 'FAILED';
  process.stdout.write(
    `${verdict}  ${fault}, seed ${seed}: ${calls} calls, ${killed} kills, ${seconds.toFixed(1)} s\n`,
  );
  for (const [kind, found] of Object.entries({ lost, double, wrong }))
    for (const sentence of found.slice(0, 10)) process.stdout.write(`  ${kind}: ${sentence}\n`);
}

function isClean({ lost, double, wrong }: PlayedFault): boolean {
  return lost.length + double.length + wrong.length === 0;
}
