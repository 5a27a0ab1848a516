import type { SharedResource } from './admission/shared-pool.ts';
import type { LastCheckpoint } from '@ideogate/audit/checkpoints';
import type { Reason } from '@ideogate/contract';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Decided } from './call.ts';

/** What the gateway counts by itself. */
export interface Metrics {
  readonly registry: Registry;
  refused(reason: Reason): void;
  /** The upstream refused a key. */
  keyRefused(id: string): void;
  ended(call: Decided, ending: { result: string }): void;
  decided(milliseconds: number): void;
  /** How a claim on a pool went, and how long it waited, milliseconds. */
  claimed(pool: SharedResource['name'], how: string, waitedMs: number): void;
  readonly batch: (rows: number, milliseconds: number) => void;
}

/** An export of the record and how far it is behind; null while another process sends. */
export interface ExportInSight {
  readonly destination: string;
  readonly lag: () => { readonly events: number; readonly seconds: number } | null;
}

/** How old a key in use is. */
export interface KeyAgeInSight {
  readonly id: string;
  readonly slot: string;
  readonly days: number;
  readonly maxDays: number;
}

/** What is asked when the metrics are. */
export interface Watched {
  readonly killOrders: () => number;
  readonly keyAges: () => readonly KeyAgeInSight[];
  readonly pools: readonly SharedResource[];
  readonly inFlight: () => number;
  readonly waiting: () => number;
  readonly notWritten: () => ReadonlyMap<string, number>;
  readonly limitsShared: () => string;
  readonly lastCheckpoint: () => LastCheckpoint | null;
  readonly exports: readonly ExportInSight[];
  readonly undelivered: () => { readonly waiting: number; readonly dead: number } | null;
}

const LATENCY = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];

const LAGS = [
  ['events', 'Events of the record that were not sent there yet.'],
  ['seconds', 'Age of the oldest event that was not sent there yet; 0 when all are.'],
] as const;

const NONE_YET = 'Missing before the first one was seen.';

/** Prometheus metrics. Labels come from closed sets: no caller can make a new series. */
export function createMetrics(watched: Watched): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const refusals = new Counter({
    name: 'ideogate_refusals_total',
    help: 'Calls refused, by exact reason. Floods over the address limit are reason="address-rate".',
    labelNames: ['reason'],
    registers,
  });
  const keyRefusals = new Counter({
    name: 'ideogate_key_refusals_total',
    help: 'Calls whose key Ideogram refused, by id of the key.',
    labelNames: ['key'],
    registers,
  });
  for (const [name, help, read] of [
    ['ideogate_key_age_days', 'Age of a key in use.', ({ days }: KeyAgeInSight) => days],
    ['ideogate_key_max_age_days', 'Age from which it is too old.', ({ maxDays }: KeyAgeInSight) => maxDays],
  ] as const)
    new Gauge({
      name,
      help,
      labelNames: ['key', 'slot'],
      registers,
      collect() {
        this.reset();
        for (const age of watched.keyAges()) this.set({ key: age.id, slot: age.slot }, read(age));
      },
    });
  const outcomes = new Counter({
    name: 'ideogate_outcomes_total',
    help: 'Forwarded calls that ended, by operation and result.',
    labelNames: ['operation', 'result'],
    registers,
  });
  const decision = new Histogram({
    name: 'ideogate_decision_seconds',
    help: 'From arrival to a committed decision.',
    buckets: LATENCY,
    registers,
  });
  const upstream = new Histogram({
    name: 'ideogate_upstream_first_byte_seconds',
    help: "From the committed decision to the first byte of the upstream's answer.",
    buckets: LATENCY,
    registers,
  });
  const commit = new Histogram({
    name: 'ideogate_commit_seconds',
    help: 'Time of one commit to the record.',
    buckets: LATENCY,
    registers,
  });
  const rows = new Histogram({
    name: 'ideogate_batch_rows',
    help: 'Rows in one commit to the record.',
    buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000],
    registers,
  });
  for (const [name, help, read] of [
    ['size', 'Units that callers share of a pool.', (pool: SharedResource) => pool.size],
    ['held', 'Units of a pool that are held now.', (pool: SharedResource) => pool.held],
    ['most_held', 'Units of a pool held by whoever holds most.', (pool: SharedResource) => pool.mostHeld],
    [
      'share',
      'Units of a pool that each caller may hold while others want them.',
      (pool: SharedResource) => pool.share,
    ],
    ['waiting', 'Claims on a pool that wait.', (pool: SharedResource) => pool.waiting],
  ] as const)
    new Gauge({
      name: `ideogate_pool_${name}`,
      help,
      labelNames: ['pool'],
      registers,
      collect() {
        for (const pool of watched.pools) this.set({ pool: pool.name }, read(pool));
      },
    });
  const claims = new Counter({
    name: 'ideogate_pool_claims_total',
    help: 'Claims on a pool that did not go through at once: `share` and `full` were refused, `left` gave up, `revoked` was taken back for another caller, `granted` waited.',
    labelNames: ['pool', 'result'],
    registers,
  });
  const poolWait = new Histogram({
    name: 'ideogate_pool_wait_seconds',
    help: 'How long claims on a pool waited that had to wait.',
    labelNames: ['pool'],
    buckets: LATENCY,
    registers,
  });
  gauge('ideogate_calls_in_flight', 'Calls now between arrival and end.', watched.inFlight);
  gauge('ideogate_kill_orders', 'Orders in force that stop calls.', watched.killOrders);
  gauge('ideogate_rows_waiting', 'Rows now waiting for a commit.', watched.waiting);
  gauge('ideogate_limits_degraded', '1 while Redis is away and limits are per replica.', () =>
    watched.limitsShared() === 'degraded' ? 1 : 0,
  );
  new Gauge({
    name: 'ideogate_rows_not_written',
    help: 'Rows that could not be written since start, by reason. Anything above 0 is a hole to explain.',
    labelNames: ['reason'],
    registers,
    collect() {
      this.reset();
      for (const [reason, count] of watched.notWritten()) this.set({ reason }, count);
    },
  });

  for (const [unit, meaning] of LAGS)
    new Gauge({
      name: `ideogate_export_lag_${unit}`,
      help: `${meaning} Missing while another gateway sends.`,
      labelNames: ['destination'],
      registers,
      collect() {
        this.reset();
        for (const { destination, lag } of watched.exports) {
          const behind = lag()?.[unit];
          if (behind !== undefined) this.set({ destination }, behind);
        }
      },
    });

  for (const [state, meaning] of [
    ['waiting', 'Webhooks that wait for their subscriber.'],
    ['dead', 'Webhooks that are not tried any more, until somebody replays them.'],
  ] as const)
    gauge(
      `ideogate_webhooks_${state}`,
      `${meaning} Missing while another gateway delivers.`,
      () => watched.undelivered()?.[state],
    );
  gauge(
    'ideogate_checkpoint_age_seconds',
    `Age of the record's last checkpoint. ${NONE_YET}`,
    () => watched.lastCheckpoint()?.ageSeconds,
  );
  gauge(
    'ideogate_checkpoint_number',
    `Number of the record's last checkpoint. ${NONE_YET}`,
    () => watched.lastCheckpoint()?.number,
  );

  function gauge(name: string, help: string, read: () => number | undefined): void {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        const value = read();
        if (value === undefined) this.remove();
        else this.set(value);
      },
    });
  }

  return {
    registry,
    refused: (reason) => refusals.inc({ reason }),
    keyRefused: (key) => keyRefusals.inc({ key }),
    ended(call, ending) {
      outcomes.inc({ operation: call.operation.id, result: ending.result });
      if (call.answer !== null) upstream.observe((call.answer.startedAt - call.decidedAt) / 1000);
    },
    decided: (milliseconds) => decision.observe(milliseconds / 1000),
    claimed(pool, how, waitedMs) {
      if (how === 'granted' && waitedMs === 0) return;
      claims.inc({ pool, result: how });
      if (waitedMs > 0) poolWait.observe({ pool }, waitedMs / 1000);
    },
    batch(count, milliseconds) {
      rows.observe(count);
      commit.observe(milliseconds / 1000);
    },
  };
}
