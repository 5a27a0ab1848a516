import { requireFaultless, type Settings } from '@ideogate/config';
import { findLogin } from '@ideogate/data-dir';
import { CommandError, EXIT } from './exit-codes.ts';
import type { RunningProduct } from './running-product.ts';

/**
 * The login that owns the record's tables, which the gateway never gets: of the embedded database, else of
 * `DATABASE_URL`, as `start` had it.
 *
 * @throws CommandError when it isn't known here; DataDirError, SettingsError
 */
export function ownerUrl(settings: Settings, { dir }: Pick<RunningProduct, 'dir'>): string {
  const own = findLogin(dir, 'owner');
  if (own !== null) return own;
  requireFaultless(settings, 'DATABASE_URL');
  const url = settings.values.record.databaseUrl?.reveal();
  if (url) return url;
  throw new CommandError(
    EXIT.invalidInput,
    'This needs the login that owns the record: set DATABASE_URL to what start was given.',
  );
}
