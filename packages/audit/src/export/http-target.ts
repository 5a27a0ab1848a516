import { isLoopback } from '@ideogate/contract';
import { advancePositions, positionsOf } from './cursors.ts';
import { type ExportTarget, textOf, TooLargeError } from './target.ts';

/** The address that events are posted to, and by what right. */
export interface HttpTargetOptions {
  readonly url: string;
  /** Value of `Authorization`, or null. */
  readonly authorization: string | null;
  /** The append login: keeps how far it has come, so that any replica can go on. */
  readonly appendUrl: string;
}

const REQUEST_TIMEOUT_MS = 30_000;
const PAYLOAD_TOO_LARGE = 413;

/** What `isExportUrl` asks for, in words for people. */
export const EXPORT_URL_RULE = 'an https URL without credentials in it; plain http only on loopback';

/** Whether the record may be sent there: https, or http on this machine, and no credentials in the address. */
export function isExportUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password, hash } = new URL(text);
  if (username !== '' || password !== '' || hash !== '') return false;
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname));
}

/** The name by which is kept how far the record was sent to an address: without its query, which may hold a secret. */
export function exportName(url: string): string {
  const { origin, pathname } = new URL(url);
  return `export ${origin}${pathname}`;
}

/** An HTTP address that is POSTed NDJSON, a batch a request; 2xx takes it over. Nobody follows a redirect with it. */
export function httpTarget({ url, authorization, appendUrl }: HttpTargetOptions): ExportTarget {
  const name = exportName(url);
  return {
    begin: (session) => positionsOf(session, name),
    async deliver(batch, over) {
      const answer = await fetch(url, {
        method: 'POST',
        headers: {
          'content-type': 'application/x-ndjson',
          ...(authorization === null ? {} : { authorization }),
        },
        body: textOf(batch),
        redirect: 'error',
        signal: AbortSignal.any([over, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]),
      });
      await answer.body?.cancel();
      if (answer.status === PAYLOAD_TOO_LARGE && batch.lines.length > 1)
        throw new TooLargeError('the address takes no batch of this size');
      if (!answer.ok) throw new Error(`the address answered ${answer.status}`);
      await advancePositions(appendUrl, name, batch.positions);
    },
    end: async () => {},
  };
}
