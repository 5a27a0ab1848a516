import { expect, test } from 'vitest';
import type { Anomaly } from '../src/verify/anomalies.ts';
import { newChain } from '../src/verify/chain-state.ts';
import { classifyChain } from '../src/verify/classify-chain.ts';
import type { Expected } from '../src/verify/expected.ts';

const WRITER = '00000000-0000-4000-8000-00000000000a';
const EXPECTED: Expected = {
  repeats: false,
  months: null,
  environment: 'staging',
  fixed: new Map(),
  openedSince: 0,
  upTo: 0,
  chainHeadsAt: null,
  last: null,
};
const mismatched = { kind: 'mismatched', hash: '', form: null, detached: false } as const;
const unopened = { kind: 'unopened', seq: 1, sound: true } as const;

/** Of a chain of nine events. */
function told(...anomalies: readonly Anomaly[]): readonly (readonly [string, number | null])[] {
  const chain = newChain();
  Object.assign(chain.head, { seq: 9, at: 1 });
  chain.anomalies.push(...anomalies);
  return classifyChain(WRITER, chain, EXPECTED).map(({ fault, seq }) => [fault, seq]);
}

const CASES: readonly (readonly [string, readonly Anomaly[], readonly (readonly [string, number])[]])[] = [
  ['nothing seen is nothing told', [], []],
  ['an event that does not match its hash was changed', [{ ...mismatched, seq: 5 }], [['changed', 5]]],
  [
    'what stood at a place is not told once the event came that belongs there',
    [
      { ...mismatched, seq: 5 },
      { kind: 'second', seq: 5, fits: true },
    ],
    [['inserted', 5]],
  ],
  [
    'an event slipped in explains what was seen of it, where all after it moved down',
    [
      { ...mismatched, seq: 4 },
      { kind: 'displaced', seq: 5, to: 9, by: -1 },
    ],
    [['inserted', 4]],
  ],
  [
    'a stretch that moved and does not reach the end stands elsewhere',
    [{ kind: 'displaced', seq: 5, to: 7, by: 2 }],
    [['reordered', 5]],
  ],
  [
    'a checkpoint that contradicts is told where nothing was seen since the last that did not',
    [{ kind: 'contradicted', seq: 8, number: 3, after: 4 }],
    [['changed', 8]],
  ],
  [
    'a checkpoint that contradicts is explained by what was seen before it',
    [
      { kind: 'unlinked', seq: 6 },
      { kind: 'contradicted', seq: 8, number: 3, after: 4 },
    ],
    [['changed', 6]],
  ],
  ['a chain that nobody opened is told once, whatever else was seen of it', [unopened], [['inserted', 1]]],
  [
    'a chain whose opening was changed is one that somebody opened',
    [unopened, { ...mismatched, seq: 1 }],
    [['changed', 1]],
  ],
  [
    'the beginning of a chain may come last, as of two files',
    [{ kind: 'late', seq: 1, to: 4, after: 9 }],
    [],
  ],
];

test.each(CASES)('%s', (_, anomalies, findings) => {
  expect(told(...anomalies)).toEqual(findings);
});
