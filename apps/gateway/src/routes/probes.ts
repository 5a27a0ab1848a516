import type { Gateway } from '../context.ts';

/** One page as it is answered on either port. */
export interface ProbeAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** What operators and orchestrators ask. The answers are the same on the callers' port and on the operations port. */
export interface Probes {
  readonly health: () => ProbeAnswer;
  readonly ready: () => Promise<ProbeAnswer>;
  readonly metrics: () => Promise<ProbeAnswer>;
}

/** How long what an answer was made of is kept: many who ask at once cost as much as one, milliseconds. */
const KEPT_MS = 1000;

/** Probes of a gateway; what they cost is shared by all who ask within a second. */
export function createProbes(gateway: Gateway): Probes {
  const lookAround = sharedFor(KEPT_MS, async () => {
    const [record, issuers] = await Promise.all([gateway.record.ready(), gateway.verifier.ready()]);
    return { record, issuers };
  });
  const { registry } = gateway.metrics;
  const collect = sharedFor(KEPT_MS, () => registry.metrics());
  return {
    health: () => json(200, { status: 'alive' }),
    async ready() {
      const checks = readiness(gateway, await lookAround());
      const ok = Object.values(checks).every((check) => check.ok);
      return json(ok ? 200 : 503, { status: ok ? 'ready' : 'not ready', checks });
    },
    async metrics() {
      return { status: 200, type: registry.contentType, body: await collect() };
    },
  };
}

function json(status: number, body: object): ProbeAnswer {
  return { status, type: 'application/json; charset=utf-8', body: JSON.stringify(body) };
}

/**
 * The same work for all who ask while it runs, and for a while after. What failed is not kept.
 * @param now monotonic milliseconds
 */
export function sharedFor<T>(
  milliseconds: number,
  work: () => Promise<T>,
  now: () => number = () => performance.now(),
): () => Promise<T> {
  let kept: { readonly result: Promise<T>; until: number } | null = null;
  return () => {
    if (kept !== null && now() < kept.until) return kept.result;
    const mine = { result: work(), until: Number.POSITIVE_INFINITY };
    kept = mine;
    mine.result.then(
      () => {
        mine.until = now() + milliseconds;
      },
      () => {
        if (kept === mine) kept = null;
      },
    );
    return mine.result;
  };
}

interface Check {
  readonly ok: boolean;
  readonly detail: string;
}

interface Surroundings {
  readonly record: Check;
  readonly issuers: readonly (Check & { readonly issuer: string })[];
}

/** What costs nothing is looked at each time: a stop shows at once. */
function readiness(gateway: Gateway, { record, issuers }: Surroundings): Record<string, Check> {
  const stopping = gateway.admissionRefusal()?.reason === 'stopping';
  const suspects = gateway.keys.suspects();
  const missing = gateway.keys.missing();
  const deaf = issuers.filter((issuer) => !issuer.ok);
  return {
    listener: { ok: !stopping, detail: stopping ? 'stopping' : 'accepting calls' },
    record,
    ...(gateway.checkpoints === undefined ? {} : { checkpoints: gateway.checkpoints.ready() }),
    ...(gateway.kills === undefined ? {} : { orders: gateway.kills.ready() }),
    keys: {
      ok: suspects.length === 0 && missing.length === 0,
      detail:
        missing.length > 0
          ? `no ${missing.join(' and no ')} key`
          : suspects.length === 0
            ? 'not refused so far'
            : `refused by the upstream: ${suspects.join(', ')}`,
    },
    issuers: {
      ok: deaf.length === 0,
      detail:
        deaf.length === 0
          ? `${issuers.length} key sets at hand`
          : deaf.map((one) => `${one.issuer}: ${one.detail}`).join('; '),
    },
  };
}
