import { parseMonth } from '../src/index.ts';
import { archiveMonth } from '../src/archive/index.ts';

/** Archives January 2030, and kills itself when a step begins: nothing of it gets to clean up. */
const [ownerUrl = '', folder = '', deadly = ''] = process.argv.slice(2);
const month = parseMonth('2030-01');
if (month === undefined) throw new Error('no month');
await archiveMonth({
  ownerUrl,
  environment: 'staging',
  folder,
  month,
  now: () => BigInt(Date.UTC(2030, 5, 1)) * 1_000n,
  announce: async () => {},
  onStep: (step) => {
    if (step === deadly) process.kill(process.pid, 'SIGKILL');
  },
});
