import { fuzz } from '@ideogate/testkit/fuzz';
import { expect, test } from 'vitest';

/** The long form is `pnpm fuzz`; docs/test.md tells how to keep a case that it finds. */
test('whatever bytes a caller sends, what goes out is what was decided on, and every call has its one row', async () => {
  const result = await fuzz({ seed: 2026, cases: 800, milliseconds: 3000 });
  expect(result.failures).toEqual([]);
  expect(result.faults).toEqual([]);
  // The run means nothing if hardly anything came through, or was refused.
  expect(result.cases).toBeGreaterThan(50);
  expect(result.forwarded).toBeGreaterThan(result.cases / 20);
  expect(result.statuses['400']).toBeGreaterThan(result.cases / 10);
});
