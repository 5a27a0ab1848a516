import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const FAULTS = fileURLToPath(new URL('../src/faults/main.ts', import.meta.url));
const FUZZ = fileURLToPath(new URL('../src/fuzz/main.ts', import.meta.url));
const BENCH = fileURLToPath(new URL('../../bench/src/main.ts', import.meta.url));
const FAIRNESS = fileURLToPath(new URL('../../bench/src/fairness/main.ts', import.meta.url));

test.each([
  ['a flag that there is not', FAULTS, ['--nonsense'], "Unknown option '--nonsense'", '--seeds …'],
  ['no number', FAULTS, ['--lanes', 'many'], '--lanes many: it takes a whole number from 1.', '--lanes …'],
  ['too few rounds', BENCH, ['--rounds', '4'], '--rounds 4: it takes a whole number from 5.', '--profile'],
  [
    'too little time',
    FAIRNESS,
    ['--seconds', '1'],
    '--seconds 1: it takes seconds from 2 to 120.',
    '--only …',
  ],
  ['too much time', FAIRNESS, ['--seconds', '121'], '--seconds 121: it takes seconds', '--only …'],
  ['no memory', FAIRNESS, ['--memory', '0'], '--memory 0: it takes a whole number from 1.', '--memory …'],
  ['no time at all', FUZZ, ['--minutes', '0'], '--minutes 0: it takes minutes', '--minutes …'],
])('a run by hand refuses %s, and says which flags there are', (_what, main, args, why, flag) => {
  const { status, stderr, stdout } = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' });
  expect({ status, stdout }).toEqual({ status: 3, stdout: '' });
  expect(stderr).toContain(why);
  expect(stderr).toMatch(new RegExp(`^The flags: .*${flag}`, 'm'));
  expect(stderr).not.toMatch(/^ {4}at /m);
});
