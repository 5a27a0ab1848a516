import { expect, test } from 'vitest';
import { type Fault, inTurn } from '../src/faults/fault.ts';
import { FAULTS } from '../src/faults/faults.ts';
import { runFaults } from '../src/faults/run.ts';

/** The short form of `pnpm test:faults`: few gateways, each of which bears many faults. */
const SCENES: readonly Fault[] = [
  inTurn('killed at one step after the other', [
    named('gateway killed when its decision is on the way to Postgres'),
    named('gateway killed when its decision is committed, unknown to the gateway'),
    named('gateway killed when the upstream has it'),
    named('gateway killed when it is answered, its outcome on the way to Postgres'),
  ]),
  inTurn('network and database away, callers and upstream gone, and a stop', [
    named('answer to COMMIT swallowed, rows persisted'),
    named('COMMIT itself swallowed, nothing persisted'),
    named('network silent'),
    named('connections reset'),
    named('backend terminated'),
    named('table locked'),
    named('caller leaves in the middle of its upload'),
    named('caller leaves while its decision is on the way'),
    named('caller leaves in the middle of its answer'),
    named("upstream breaks off in its answer's body"),
    named('gateway told to stop (SIGTERM) with 50 calls in flight'),
  ]),
  inTurn('the whole server fails', [
    named('Postgres killed at any moment of many calls'),
    named('read-only failover'),
  ]),
];

function named(name: string): Fault {
  const fault = FAULTS.find((one) => one.name === name);
  if (fault === undefined) throw new Error(`no fault is called ${JSON.stringify(name)}`);
  return fault;
}

test('whatever fails, nothing is lost, told or sent twice, or told as it was not (E.50, E.51)', async () => {
  const played = await runFaults({ faults: SCENES, seeds: [1], form: 'short', lanes: 2 });
  for (const { fault, seed, lost, double, wrong } of played)
    expect({ fault, seed, lost, double, wrong }).toEqual({ fault, seed, lost: [], double: [], wrong: [] });
  expect(played.map(({ kills }) => kills)).toEqual([4, 0, 1]);
}, 180_000);

test('every fault has a name of its own', () => {
  const names = FAULTS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});
