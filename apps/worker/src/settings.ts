import { isAbsolute } from 'node:path';
import { EXPORT_URL_RULE, exportName, isExportUrl } from '@ideogate/audit/export';
import type { SettingValues } from '@ideogate/config';
import { isLoopback } from '@ideogate/contract';
import type { CheckpointTarget } from './jobs/checkpoints.ts';
import type { RecordExports } from './jobs/export.ts';

/** Where checkpoints go, e.g. `IDEOGATE_CHECKPOINTS_TO=stdout,https://evidence.example/checkpoints`. */
export function readCheckpointTargets(
  { checkpointsTo }: SettingValues['record'],
  faults: string[],
): readonly CheckpointTarget[] {
  const places = (checkpointsTo ?? '').split(',').map((place) => place.trim());
  return places.filter(Boolean).flatMap((place): readonly CheckpointTarget[] => {
    if (place === 'stdout') return [{ kind: 'stdout' }];
    if (isAbsolute(place)) return [{ kind: 'file', file: place }];
    if (isSafeUrl(place)) return [{ kind: 'http', url: place }];
    faults.push(
      'IDEOGATE_CHECKPOINTS_TO is a list of stdout, absolute file paths and https URLs without credentials in them, joined by commas; plain http only on loopback.',
    );
    return [];
  });
}

function isSafeUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password } = new URL(text);
  // fetch sends nothing to such a URL.
  if (username !== '' || password !== '') return false;
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname));
}

/** Where the record is sent as it grows. */
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
