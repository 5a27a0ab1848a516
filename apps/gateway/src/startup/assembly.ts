import { createTokenVerifier, type VerifierConfig } from '@ideogate/access-token';
import { type AuditWriter, type AuditWriterOptions, openAuditWriter } from '@ideogate/audit/append';
import type { FastifyInstance } from 'fastify';
import { callsEndWithinMs, type GatewayConfig } from '../config.ts';
import type { GatewayDeps } from '../context.ts';
import { createGateway } from '../gateway.ts';

/** What a gateway needs besides its settings, and is not opened here. */
type OtherParts = Omit<GatewayDeps, 'record' | 'verifier' | 'release' | 'log' | 'nowMicros'>;

export interface GatewayAssembly extends Pick<GatewayDeps, 'release' | 'log' | 'nowMicros'> {
  /** How the record is reached, and what its writer says of itself. */
  readonly record: Pick<AuditWriterOptions, 'appendUrl' | 'readUrl' | 'acceptedFaults'> & {
    readonly instance: string;
    readonly version: string;
    /** How long what still waits may take to be written at the end, milliseconds; default: 5000. */
    readonly flushMs?: number;
  };
  /** Whose tokens are taken, and how they are verified; the audience is the gateway's identifier, unless another is given. */
  readonly verifier: Omit<VerifierConfig, 'audience' | 'maxTokenLength'> &
    Partial<Pick<VerifierConfig, 'audience'>>;
  /** Opens the other parts, once there is a record to tell of them; each goes down by `parts`, after the gateway. */
  readonly open: (record: AuditWriter, parts: AsyncDisposableStack) => Promise<OtherParts>;
}

const CLOSE_MS = 1_000;

/**
 * A gateway as its settings say, on a record and a verifier of its own: the one way in which the product, tests and
 * measurements put it together. It does not listen yet.
 * @param parts takes how each part goes down; the caller adds what goes down before them, the gateway first of all
 * @throws CatalogueError, ConfigError; what `open` throws
 */
export async function assembleGateway(
  config: GatewayConfig,
  assembly: GatewayAssembly,
  parts: AsyncDisposableStack,
): Promise<{ readonly gateway: FastifyInstance; readonly record: AuditWriter }> {
  const { release, log, nowMicros, open } = assembly;
  const { instance, version, flushMs = 5_000, ...logins } = assembly.record;
  const { commitMs, maxWaiting, summaryMs, maxTokenBytes } = config.limits;
  let observe: (rows: number, milliseconds: number) => void = () => undefined;
  const record = openAuditWriter({
    ...logins,
    opening: {
      environment: config.environment,
      instance,
      release: release.id,
      version,
      callsEndWithinMs: callsEndWithinMs(config),
    },
    commitTimeoutMs: commitMs,
    maxWaiting,
    summaryMs,
    now: nowMicros,
    observe: { batch: (rows, milliseconds) => observe(rows, milliseconds) },
  });
  parts.defer(async () => {
    if (!(await record.flush(flushMs)))
      log.error(
        { waiting: record.waiting() },
        'the database did not take the last rows; they will show as gaps',
      );
    await record.close(CLOSE_MS);
  });
  const others = await open(record, parts);
  const verifier = createTokenVerifier(
    { audience: config.identifier, ...assembly.verifier, maxTokenLength: maxTokenBytes },
    { now: Date.now },
  );
  parts.defer(() => verifier.close());
  await verifier.warm();
  const gateway = await createGateway(config, { ...others, release, verifier, record, log, nowMicros });
  observe = gateway.ideogateMetrics.batch;
  return { gateway, record };
}
