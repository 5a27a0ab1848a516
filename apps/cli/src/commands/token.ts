import { CommandError, EXIT } from '../exit-codes.ts';
import { dataFolder, readReadyFile } from '../product/data-folder.ts';

/** Prints an access token and nothing else (RFC 6749 section 4.4). */
export async function token(
  env: NodeJS.ProcessEnv,
  options: { client: string; scope?: string },
): Promise<number> {
  const { issuer, clients } = readReadyFile(dataFolder(env));
  const client = clients.find((candidate) => candidate.client_id === options.client);
  if (client === undefined) {
    const known = clients.map((candidate) => candidate.client_id).join(', ') || 'none';
    throw new CommandError(
      EXIT.invalidInput,
      `There is no client ${options.client} here; there are: ${known}.`,
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
  const answer = (await response.json()) as Record<string, unknown>; // as: the token endpoint answers a JSON object (RFC 6749 section 5)
  if (response.ok && typeof answer['access_token'] === 'string') {
    process.stdout.write(`${answer['access_token']}\n`);
    return EXIT.fine;
  }
  const said = (member: string) => (typeof answer[member] === 'string' ? answer[member] : 'no reason given');
  const denied = answer['error'] === 'invalid_client' ? EXIT.notSignedIn : EXIT.denied;
  throw new CommandError(denied, `The issuer refused: ${said('error')}: ${said('error_description')}`);
}

async function ask(url: string, request: RequestInit): Promise<Response> {
  try {
    return await fetch(url, { ...request, signal: AbortSignal.timeout(10_000) });
  } catch {
    throw new CommandError(EXIT.failed, `The issuer does not answer on ${url}: is Ideogate running?`);
  }
}
