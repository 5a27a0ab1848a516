import { topUpPartitions } from '@ideogate/audit';
import type { Fault } from './fault.ts';
import type { Scene } from './scene.ts';

const HOUR_MS = 3_600_000;

/** How far ahead a clock must be for the next month to begin in so many milliseconds. */
function beforeMonthsEnd(milliseconds: number): number {
  const now = new Date();
  return Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 1) - milliseconds - now.getTime();
}

function nextPartition(): string {
  const now = new Date();
  const next = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 1));
  return `ideogate.audit_event_${next.toISOString().slice(0, 7).replace('-', '_')}`;
}

async function monthsOnRecord(scene: Scene): Promise<number> {
  const [row] = await scene.sql<{ months: string }>(
    `SELECT count(DISTINCT date_trunc('month', at AT TIME ZONE 'UTC'))::text AS months FROM ideogate.audit_event
     WHERE kind = 'decision'`,
  );
  return Number(row?.months);
}

export const CLOCKS: readonly Fault[] = [
  {
    name: 'clock jumps by an hour forth and back, and by a day',
    async play(scene) {
      const gateway = await scene.gateway();
      const load = scene.load(6);
      await scene.madeMore(10);
      const jumps = [HOUR_MS, -HOUR_MS, 24 * HOUR_MS, 0];
      const first = scene.random.between(0, 3);
      for (const jump of [...jumps.slice(first), ...jumps.slice(0, first)]) {
        await gateway.setClock(jump);
        await scene.madeMore(scene.random.between(10, 40));
      }
      await gateway.setClock(0);
      await scene.served();
      await load.stop();
    },
  },
  {
    name: "month's end",
    async play(scene) {
      scene.upstream.latencyMs = 50;
      const load = scene.load(8);
      // Long enough for a gateway to start, however busy the machine is.
      const gateway = await scene.startGateway({ clockOffsetMs: beforeMonthsEnd(HOUR_MS) });
      await scene.madeMore(20);
      await gateway.setClock(beforeMonthsEnd(scene.random.between(50, 300)));
      await scene.until('a month has ended', async () => (await monthsOnRecord(scene)) === 2);
      await scene.madeMore(20);
      await load.stop();
    },
  },
  {
    name: "month's end, and nobody made the next partition in time",
    async play(scene) {
      await scene.sql(`DROP TABLE ${nextPartition()}`);
      const gateway = await scene.startGateway({ clockOffsetMs: beforeMonthsEnd(HOUR_MS) });
      const load = scene.load(8);
      await scene.madeMore(20);
      await gateway.setClock(beforeMonthsEnd(0));
      await scene.until('a call is refused for want of a partition', async () =>
        scene.callers.made.some(({ answer }) => answer?.problem === 'record-unavailable'),
      );
      await topUpPartitions(scene.database.url, BigInt(Date.now()) * 1000n);
      await scene.served();
      await load.stop();
      scene.expect((await monthsOnRecord(scene)) === 2, 'the new month has no decision on record');
    },
  },
];
