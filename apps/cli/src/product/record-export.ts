import { type ExportLag, exportName, httpTarget, isExportUrl, sendOut } from '@ideogate/audit';
import type { SettingValues } from '@ideogate/config';
import type { Log } from '@ideogate/gateway';
import { codeOf } from './data-folder.ts';
import type { RecordDatabase } from './record-database.ts';

/** Where the record is sent for as long as the product runs. */
export interface RecordExports {
  readonly urls: readonly string[];
  /** Value of `Authorization`. A function, so that a configuration that is printed does not show it. */
  readonly authorization: () => string | null;
}

/** An export and how far it is behind; null before the first look, and while another replica sends. */
export interface RunningExport {
  readonly destination: string;
  readonly lag: () => ExportLag | null;
  stop(): Promise<void>;
}

export const EXPORT_URL_RULE = 'an https URL without credentials in it; plain http only on loopback';

/** What is wrong with the addresses goes to `faults`. */
export function readRecordExports(
  { exportTo, exportAuthorization }: SettingValues['record'],
  faults: string[],
): RecordExports {
  const urls = (exportTo ?? '').split(',').flatMap((url) => url.trim() || []);
  if (!urls.every(isExportUrl))
    faults.push(`IDEOGATE_EXPORT_TO is a list, joined by commas, and each of it ${EXPORT_URL_RULE}.`);
  if (new Set(urls.filter(isExportUrl).map(exportName)).size < urls.filter(isExportUrl).length)
    faults.push('IDEOGATE_EXPORT_TO names one address twice; a query makes no other address of it.');
  return { urls, authorization: () => exportAuthorization?.reveal() ?? null };
}

/** Sends the record to one address for as long as it runs. */
export function exportTo(
  url: string,
  { authorization }: RecordExports,
  database: Pick<RecordDatabase, 'appendUrl' | 'readUrl'>,
  log: Log,
  now: () => bigint,
): RunningExport {
  const { appendUrl, readUrl } = database;
  const name = exportName(url);
  const { host } = new URL(url);
  let lag: ExportLag | null = null;
  const sending = sendOut({
    readUrl,
    target: httpTarget({ url, authorization: authorization(), appendUrl }),
    name,
    now,
    onLag: (measured) => {
      lag = measured;
    },
    onFault: (error) =>
      log.error({ destination: host, error: reasonOf(error) }, 'the record could not be sent; trying again'),
    onMissing: (missing) =>
      log.error(
        { destination: host, ...missing },
        'events left the database before they were sent: find them in an archive',
      ),
  });
  return { destination: host, lag: () => lag, stop: () => sending.stop() };
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = codeOf(cause);
  if (code !== 'unreadable' || !(error instanceof Error)) return code;
  return error.message;
}
