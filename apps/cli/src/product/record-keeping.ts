import { closeGaps, topUpPartitions } from '@ideogate/audit';
import type { AuditWriter } from '@ideogate/audit/append';
import { callsEndWithinMs, type Log } from '@ideogate/gateway';
import { keepMonthsArchived } from './archiving.ts';
import { codeOf } from './data-folder.ts';
import type { ProductConfig } from './product-config.ts';
import { exportTo, type RunningExport } from './record-export.ts';
import type { RecordDatabase } from './record-database.ts';

/** What the duties of keeping the record work with. */
export interface RecordKeeping {
  readonly config: ProductConfig;
  /** The environment's part of the data folder. */
  readonly folder: string;
  readonly database: Pick<RecordDatabase, 'ownerUrl' | 'appendUrl' | 'readUrl'>;
  readonly record: AuditWriter;
  readonly log: Log;
  /** The gateway's clock, microseconds since the Unix epoch. */
  readonly nowMicros: () => bigint;
}

/** One thing that is done for the record beside calls, for as long as the product runs; it never throws. */
interface Duty {
  stop(): Promise<void>;
}

/**
 * Starts everything that is done for the record beside calls. Stop it after the gateway and before the record is
 * closed: duties may have last notices to write.
 */
export function keepRecord(keeping: RecordKeeping): Duty & { readonly exports: readonly RunningExport[] } {
  const { config, database, log, nowMicros } = keeping;
  const exports = config.exports.urls.map((url) => exportTo(url, config.exports, database, log, nowMicros));
  const { archiveFolder } = config;
  const duties: readonly Duty[] = [
    keepPartitionsAhead(keeping),
    keepGapsClosed(keeping),
    ...exports,
    ...(archiveFolder === null ? [] : [keepMonthsArchived(keeping, archiveFolder)]),
  ];
  return {
    exports,
    async stop() {
      // In reverse: a duty may count on those before it.
      for (const duty of duties.toReversed()) await duty.stop();
    },
  };
}

const DAY_MS = 86_400_000;

function keepPartitionsAhead({ database, log, nowMicros }: RecordKeeping): Duty {
  const daily = setInterval(() => {
    topUpPartitions(database.ownerUrl, nowMicros()).catch((error: unknown) =>
      log.error({ error: codeOf(error) }, 'partitions could not be topped up; next try in a day'),
    );
  }, DAY_MS);
  daily.unref();
  return {
    async stop() {
      clearInterval(daily);
    },
  };
}

function keepGapsClosed({ config, database, record, log, nowMicros }: RecordKeeping): Duty {
  const { gapMarginMs } = config.gateway.limits;
  return closeGaps({
    appendUrl: database.appendUrl,
    readUrl: database.readUrl,
    record,
    callsEndWithinMs: callsEndWithinMs(config.gateway),
    marginMs: gapMarginMs,
    now: nowMicros,
    onClosed: (count, reason) =>
      log.error({ count, reason }, 'calls whose end nobody knows were closed as gaps'),
    onFault: (error) => log.error({ error: codeOf(error) }, 'gaps could not be looked for; trying again'),
  });
}
