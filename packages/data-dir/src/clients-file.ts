import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorCode } from '@ideogate/contract';
import { DataDirError } from './data-dir-error.ts';

/** A client of the product's own issuer, with its secret. */
export interface Client {
  readonly client_id: string;
  readonly client_secret: string;
  /** What policy grants it, in policy's words. */
  readonly scopes: readonly string[];
}

/** The file that the issuer keeps clients in. */
export function clientsFile(dir: string): string {
  return join(dir, 'clients.json');
}

/**
 * The clients that policy grants anything; the file also keeps the secrets of those that it did before.
 * @throws DataDirError
 */
export function readClients(dir: string): readonly Client[] {
  const file = clientsFile(dir);
  try {
    const { clients } = JSON.parse(readFileSync(file, 'utf8')) as { clients: readonly Partial<Client>[] }; // as: the issuer writes it, whole or not at all
    return clients.flatMap(({ client_id, client_secret, scopes = [] }) =>
      client_id === undefined || client_secret === undefined || scopes.length === 0
        ? []
        : [{ client_id, client_secret, scopes }],
    );
  } catch (error) {
    throw new DataDirError(
      'unreadable',
      `${file} cannot be read (${errorCode(error)}): it holds the clients and their secrets, and the start of Ideogate writes it.`,
    );
  }
}
