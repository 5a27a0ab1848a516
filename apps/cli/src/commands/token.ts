import type { Settings } from '@ideogate/config';
import { didYouMean } from '@ideogate/contract';
import { readClients } from '@ideogate/data-dir';
import { CommandError, EXIT } from '../exit-codes.ts';
import { runningProduct } from '../running-product.ts';

/** Prints an access token and nothing else (RFC 6749 section 4.4). */
export async function token(
  settings: Settings,
  options: { client: string; scope?: string },
): Promise<number> {
  const { issuer, dir } = runningProduct(settings);
  const clients = readClients(dir);
  const client = clients.find((candidate) => candidate.client_id === options.client);
  if (client === undefined) {
    const known = clients.map((candidate) => candidate.client_id).join(', ') || 'none';
    const near = didYouMean(
      options.client,
      clients.map((candidate) => candidate.client_id),
    );
    const hint = near === undefined ? '' : ` Did you mean ${near}?`;
    throw new CommandError(
      EXIT.invalidInput,
      `There is no client ${options.client} here; there are: ${known}.${hint}`,
    );
  }
  const response = await ask(`${issuer}/token`, {
    method: 'POST',
    headers: {
      authorization: `Basic ${btoa(`${encodeURIComponent(client.client_id)}:${encodeURIComponent(client.client_secret)}`)}`,
    },
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      ...(options.scope === undefined ? {} : { scope: options.scope }),
    }),
  });
  const answer = await readAnswer(response);
  if (response.ok && typeof answer['access_token'] === 'string') {
    process.stdout.write(`${answer['access_token']}\n`);
    return EXIT.fine;
  }
  const said = (member: string) => (typeof answer[member] === 'string' ? answer[member] : 'no reason given');
  const denied = answer['error'] === 'invalid_client' ? EXIT.notSignedIn : EXIT.denied;
  throw new CommandError(denied, `The issuer refused: ${said('error')}: ${said('error_description')}`);
}

/** A JSON object (RFC 6749 section 5); anything else came from another program on the issuer's port. */
async function readAnswer(response: Response): Promise<Record<string, unknown>> {
  try {
    return Object.fromEntries(Object.entries((await response.json()) as object)); // as: what isn't one throws
  } catch {
    throw new CommandError(
      EXIT.failed,
      `What answers on ${response.url} is not the issuer: is Ideogate running?`,
    );
  }
}

async function ask(url: string, request: RequestInit): Promise<Response> {
  try {
    return await fetch(url, { ...request, signal: AbortSignal.timeout(10_000) });
  } catch {
    throw new CommandError(EXIT.failed, `The issuer does not answer on ${url}: is Ideogate running?`);
  }
}
