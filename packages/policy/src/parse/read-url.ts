import { isLoopback } from '@ideogate/contract';
import type { FaultList, Position } from './policy-fault.ts';

/** A setting of type text, and where it stands. */
interface TextEntry {
  readonly at: Position;
  readonly value: string | null;
}

/** An origin in its one spelling (RFC 6454 section 6.2): https, or http to a loopback address. Null: a fault. */
export function readOrigin(setting: string, entry: TextEntry, faults: FaultList): string | null {
  const url = readUrl(setting, entry, faults);
  if (url === null) return null;
  if (url.text === url.parsed.origin) return url.text;
  faults.add(entry.at, `${setting} must be an origin, without path or trailing slash`, url.parsed.origin);
  return null;
}

/** An issuer identifier (RFC 8414 section 2): no query, no fragment. Compared character for character. Null: a fault. */
export function readIssuer(setting: string, entry: TextEntry, faults: FaultList): string | null {
  return readUrl(setting, entry, faults)?.text ?? null;
}

function readUrl(
  setting: string,
  { at, value: text }: TextEntry,
  faults: FaultList,
): { readonly text: string; readonly parsed: URL } | null {
  if (text === null) return null;
  const parsed = URL.canParse(text) ? new URL(text) : null;
  const secure =
    parsed?.protocol === 'https:' || (parsed?.protocol === 'http:' && isLoopback(parsed.hostname));
  if (parsed === null || !secure) {
    faults.add(at, `${setting} must be an https:// URL (http:// only to a loopback address)`);
    return null;
  }
  if (parsed.username !== '' || parsed.password !== '' || /[?#]/.test(text)) {
    faults.add(at, `${setting} must not hold user, password, query or fragment`);
    return null;
  }
  return { text, parsed };
}
