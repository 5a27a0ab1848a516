import { type ExportLag, exportName, httpTarget, exportEvents } from '@ideogate/audit/export';
import { errorCode } from '@ideogate/contract';
import type { Clock, Job, Log, RecordLogins } from '../job.ts';

/** Where the record is sent for as long as the process runs. */
export interface RecordExports {
  readonly urls: readonly string[];
  /** Value of `Authorization`. A function, so that a configuration that is printed does not show it. */
  readonly authorization: () => string | null;
}

/** An export and how far it is behind; null before the first look, and while another replica sends. */
export interface RunningExport extends Job {
  readonly destination: string;
  readonly lag: () => ExportLag | null;
}

/** Sends the record to one address for as long as it runs. */
export function exportRecord(
  url: string,
  { authorization }: RecordExports,
  { appendUrl, readUrl }: RecordLogins,
  log: Log,
  now: Clock,
): RunningExport {
  const { host } = new URL(url);
  let lag: ExportLag | null = null;
  const sending = exportEvents({
    readUrl,
    target: httpTarget({ url, authorization: authorization(), appendUrl }),
    name: exportName(url),
    now,
    onLag: (measured) => {
      lag = measured;
    },
    onFault: (error) =>
      log.error(
        { destination: host, error: describeError(error) },
        'the record could not be sent; trying again',
      ),
    onMissing: (missing) =>
      log.error(
        { destination: host, ...missing },
        'events left the database before they were sent: find them in an archive',
      ),
  });
  return { destination: host, lag: () => lag, stop: () => sending.stop() };
}

/** The network's code where there is one; else what the address answered. */
function describeError(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = errorCode(cause);
  if (code !== 'unreadable' || !(error instanceof Error)) return code;
  return error.message;
}
