import { setTimeout as delay } from 'node:timers/promises';
import { topUpPartitions } from '@ideogate/audit';
import { Client } from 'pg';
import { newMarker } from './callers.ts';
import { type Fault, underLoad } from './fault.ts';
import type { Scene } from './scene.ts';

const backendTerminated = underLoad('backend terminated', async (scene) => {
  for (let time = 0; time < scene.lasting(2, 10); time++) {
    await delay(scene.random.between(0, 300));
    await scene.terminateAppends();
  }
});

const backendStopped = underLoad('backend stopped where it stands (SIGSTOP)', async (scene) => {
  const pid = await scene.appendBackend();
  if (pid === null) return scene.expect(false, 'the gateway has no session to stop');
  process.kill(pid, 'SIGSTOP');
  await delay(scene.lasting(1_500, 10_000));
  process.kill(pid, 'SIGCONT');
});

const tableLocked = underLoad('table locked', (scene) =>
  scene.withSession(async (session) => {
    await session.query('BEGIN');
    await session.query('LOCK TABLE ideogate.audit_event IN ACCESS EXCLUSIVE MODE');
    await delay(scene.lasting(1_500, 60_000));
    await session.query('COMMIT');
  }),
);

/** What a standby that was promoted by mistake, or a primary that was demoted, answers: 25006 to every INSERT. */
const readOnly = underLoad('read-only failover', async (scene) => {
  await setReadOnly(scene, 'on');
  await scene.until('a call is refused', async () => lastStatus(scene) === 503);
  await delay(scene.lasting(0, 5_000));
  await setReadOnly(scene, 'off');
});

async function setReadOnly(scene: Scene, value: 'on' | 'off'): Promise<void> {
  await scene.withSession(async (session) => {
    await session.query('SET default_transaction_read_only = off');
    await session.query(`ALTER SYSTEM SET default_transaction_read_only = ${value}`);
    await session.query('SELECT pg_reload_conf()');
  });
}

function lastStatus(scene: Scene): number | undefined {
  return scene.callers.made.findLast(({ kind }) => kind === 'paid')?.answer?.status;
}

/** Others hold every connection that an ordinary role can have, and the gateway needs a new one. */
const connectionsUsedUp = underLoad(
  'connections used up',
  async (scene) => {
    const others: Client[] = [];
    try {
      scene.relay.cut();
      for (let other = await ordinary(scene); other !== null; other = await ordinary(scene))
        others.push(other);
      scene.relay.restore();
      await delay(5_000);
      scene.expect(lastStatus(scene) === 503, 'the gateway found a connection');
    } finally {
      await Promise.all(others.map((other) => other.end()));
    }
  },
  { long: true },
);

/** Null when Postgres has no connection left for it. */
async function ordinary(scene: Scene): Promise<Client | null> {
  const client = new Client({ connectionString: scene.readUrl, connectionTimeoutMillis: 30_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return client;
  } catch (error) {
    if (error instanceof Error && /too many|reserved for/.test(error.message)) return null;
    throw error;
  }
}

/** A row that Postgres will never take, in the middle of as many others as one batch holds. */
const poisonRow: Fault = {
  name: 'poison row in a full batch',
  async play(scene) {
    const full = scene.lasting(60, 999);
    const gateway = await scene.startGateway({
      settings: {
        IDEOGATE_COMMIT_TIMEOUT_MS: '30000',
        IDEOGATE_MAX_IN_FLIGHT: '5000',
        IDEOGATE_MAX_SOCKETS_PER_ADDRESS: '5000',
      },
    });
    await scene.calls(gateway, 3);
    const poison = newMarker();
    await scene.sql(
      `ALTER TABLE ideogate.audit_event ADD CONSTRAINT poison CHECK (trace_id IS DISTINCT FROM '${poison}') NOT VALID`,
    );
    const place = scene.random.between(0, full);
    const calls = await scene.withSession(async (session) => {
      await session.query('BEGIN');
      await session.query('LOCK TABLE ideogate.audit_event IN SHARE ROW EXCLUSIVE MODE');
      // The first goes alone and waits for the table: those behind it become one batch.
      const first = scene.callers.call(gateway);
      await scene.until('a batch waits', async () => (await gateway.state()).waiting > 0);
      const rest = Array.from({ length: full + 1 }, (_, index) =>
        scene.callers.call(gateway, 'paid', index === place ? { marker: poison } : {}),
      );
      await scene.until('all wait', async () => (await gateway.state()).waiting >= full + 2);
      await session.query('COMMIT');
      return Promise.all([first, ...rest]);
    });
    for (const { marker, answer } of calls) {
      const due = marker === poison ? 503 : 200;
      scene.expect(
        answer?.status === due,
        `a call of the poisoned batch was answered ${answer?.status} (${answer?.problem}), not ${due}`,
      );
    }
    await scene.sql('ALTER TABLE ideogate.audit_event DROP CONSTRAINT poison');
  },
};

/** An auditor's transaction holds every partition open while one more is made: no call may wait for either. */
const openSelect: Fault = {
  name: "auditor's open SELECT across partition work",
  async play(scene) {
    const nowMicros = BigInt(Date.now()) * 1000n;
    const last = await scene.sql<{ name: string }>(
      `SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'ideogate.audit_event'::regclass
       ORDER BY 1 DESC LIMIT ${scene.random.between(1, 6)}`,
    );
    for (const { name } of last) await scene.sql(`DROP TABLE ${name}`);
    await scene.gateway();
    const load = scene.load(6);
    await scene.withSession(async (auditor) => {
      await auditor.query('BEGIN');
      await auditor.query('SELECT count(*) FROM ideogate.audit_event');
      await scene.madeMore(20);
      const during = scene.callers.made.length;
      const made = await topUpPartitions(scene.database.url, nowMicros);
      await scene.madeMore(20);
      await auditor.query('SELECT count(*) FROM ideogate.audit_event');
      await auditor.query('COMMIT');
      scene.expect(made.length === last.length, `${made.length} partitions were made, not ${last.length}`);
      const refused = scene.callers.made.slice(during).filter(({ answer }) => answer?.status === 503);
      scene.expect(refused.length === 0, `${refused.length} calls got 503 during partition work`);
    }, scene.readUrl);
    await load.stop();
  },
};

export const DATABASE: readonly Fault[] = [
  backendTerminated,
  backendStopped,
  tableLocked,
  readOnly,
  connectionsUsedUp,
  poisonRow,
  openSelect,
];
