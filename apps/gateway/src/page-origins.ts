import { isLoopback } from '@ideogate/contract';

/** Who may read answers from a page: each exactly, as a browser says it in `Origin`. */
export type PageOrigins = ReadonlySet<string>;

/**
 * Reads the list of origins, joined by commas or spaces. Each is a scheme, a host and a port if it isn't the scheme's
 * own, and nothing else: no path, no `*`, no `null`. Plain http only on loopback, where nobody in between can change the
 * page.
 */
export function readPageOrigins(text: string | null, faults: string[]): PageOrigins {
  const origins = (text ?? '').split(/[\s,]+/).filter((origin) => origin !== '');
  for (const origin of origins) {
    const url = URL.canParse(origin) ? new URL(origin) : null;
    // A URL may hold `*` in its host; no browser's origin does.
    const isExact = url !== null && /^https?:\/\/[a-z0-9.:[\]-]+$/.test(origin) && url.origin === origin;
    if (!isExact)
      faults.push(
        `IDEOGATE_CORS_ORIGINS: ${JSON.stringify(origin)} is not an exact origin such as https://studio.example`,
      );
    else if (url.protocol === 'http:' && !isLoopback(url.hostname))
      faults.push(
        `IDEOGATE_CORS_ORIGINS: ${origin} is plain http: whoever is in between could change the page`,
      );
  }
  return new Set(origins);
}
