import { randomBytes } from 'node:crypto';
import { isJsonObject } from '@ideogate/contract';
import { parseSecretJson, readSecretFile, replaceSecretFile, SecretFileError } from './secret-file.ts';

/** How a client authenticates at the token endpoint (`client_secret_basic`). */
export interface ClientSecret {
  readonly client_id: string;
  readonly client_secret: string;
}

/**
 * The secrets of the named clients, from a file (mode 0600). Secrets that are missing are made (32 random bytes,
 * base64url) and kept; those of clients no longer named stay in the file, so that a client that comes back keeps
 * its secret.
 * @param scopes of clients by their ids, kept beside the secrets for whoever reads the file; without it none are
 * @throws SecretFileError when others may read the file, or it doesn't hold clients.
 */
export async function loadOrCreateClients(
  file: string,
  ids: readonly string[],
  scopes?: ReadonlyMap<string, readonly string[]>,
): Promise<ClientSecret[]> {
  const text = await readSecretFile(file);
  const secrets = text === undefined ? new Map<string, string>() : parseClients(file, text);
  const missing = ids.filter((id) => !secrets.has(id));
  for (const id of missing) secrets.set(id, randomBytes(32).toString('base64url'));
  const clients = [...secrets].map(([client_id, client_secret]) => ({
    client_id,
    client_secret,
    ...(scopes === undefined ? {} : { scopes: scopes.get(client_id) ?? [] }),
  }));
  const wanted = `${JSON.stringify({ clients }, undefined, 2)}\n`;
  if (missing.length > 0 || (scopes !== undefined && wanted !== text)) await replaceSecretFile(file, wanted);
  return ids.map((client_id) => ({ client_id, client_secret: secrets.get(client_id) ?? '' }));
}

function parseClients(file: string, text: string): Map<string, string> {
  const value = parseSecretJson(file, text);
  const list = isJsonObject(value) ? value['clients'] : undefined;
  if (!Array.isArray(list)) throw new SecretFileError(`${file}: holds no list of clients`);
  const secrets = new Map<string, string>();
  for (const [index, client] of list.entries()) {
    const { client_id: id, client_secret: secret } = isJsonObject(client) ? client : {};
    const sound = typeof id === 'string' && id !== '' && typeof secret === 'string' && secret.length >= 32;
    if (!sound)
      throw new SecretFileError(`${file}: client ${index + 1} lacks an id, or a secret of 32 characters`);
    if (secrets.has(id)) throw new SecretFileError(`${file}: client ${index + 1} is there twice`);
    secrets.set(id, secret);
  }
  return secrets;
}
