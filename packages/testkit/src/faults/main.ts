import { parseArgs } from 'node:util';
import { refuseOtherMachines } from '../loopback.ts';
import { forgetShell } from '../shell.ts';
import type { Fault } from './fault.ts';
import { FAULTS } from './faults.ts';
import { stormOf } from './kills.ts';
import { type PlayedFault, runFaults } from './run.ts';
import { tableOf } from './table.ts';

const { values: flags } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000_000) },
    kills: { type: 'string', default: '0' },
    only: { type: 'string', default: '' },
    lanes: { type: 'string', default: '3' },
    short: { type: 'boolean', default: false },
  },
});
const [count, first, kills, lanes] = [flags.seeds, flags.seed, flags.kills, flags.lanes].map(Number) as [
  number,
  number,
  number,
  number,
]; // as: map keeps the length
if (
  ![count, lanes].every((number) => Number.isSafeInteger(number) && number > 0) ||
  !(kills >= 0) ||
  !(first >= 0)
) {
  process.stderr.write(
    'usage: pnpm test:faults [--seeds N] [--seed S] [--only TEXT] [--kills N] [--lanes N] [--short]: all but TEXT whole numbers\n',
  );
  process.exit(3);
}

/** A storm is one database: more kills than this make a record that is slow to judge. */
const KILLS_A_STORM = 50;
const storms = Math.ceil(kills / KILLS_A_STORM);
const seeds = (many: number) => Array.from({ length: many }, (_, index) => first + index);
const faults = FAULTS.filter(({ name, long }) => name.includes(flags.only) && !(flags.short && long));
if (faults.length === 0) {
  process.stderr.write(`no fault has ${JSON.stringify(flags.only)} in its name; these there are:\n`);
  for (const { name } of FAULTS) process.stderr.write(`  ${name}\n`);
  process.exit(3);
}

forgetShell();
refuseOtherMachines();
process.stdout.write(`seeds ${first} to ${first + count - 1}\n`);
const form = flags.short ? 'short' : 'long';
const results =
  kills === 0
    ? await runFaults({ faults: faults.filter(isPossible), seeds: seeds(count), form, lanes, onPlayed: tell })
    : await runFaults({
        faults: [stormOf(KILLS_A_STORM)],
        seeds: seeds(storms),
        form,
        lanes,
        onPlayed: tell,
      });
process.stdout.write(`\n${tableOf(results)}\n`);
process.exitCode = results.every(isClean) ? 0 : 1;

function tell(played: PlayedFault): void {
  const { fault, seed, seconds, calls, kills: killed } = played;
  const verdict = isClean(played) ? 'ok' : 'FAILED';
  process.stdout.write(
    `${verdict}  ${fault}, seed ${seed}: ${calls} calls, ${killed} kills, ${seconds.toFixed(1)} s\n`,
  );
  const { lost, double, wrong } = played;
  for (const [kind, faultsFound] of Object.entries({ lost, double, wrong }))
    for (const found of faultsFound.slice(0, 10)) process.stdout.write(`  ${kind}: ${found}\n`);
}

function isPossible({ name, impossible }: Fault): boolean {
  const why = impossible?.() ?? null;
  if (why !== null) process.stdout.write(`not played: ${name}: ${why}\n`);
  return why === null;
}

function isClean({ lost, double, wrong }: PlayedFault): boolean {
  return lost.length + double.length + wrong.length === 0;
}
