import type { CallId, EnvironmentName } from '@ideogate/contract';
import { SHORT_TIMEOUTS, withSession } from '@ideogate/postgres';
import { monthOfSealed, openSealed } from './sealed-prompt.ts';
import { openWrappedKey, wrappingOf } from './wrapped-key.ts';

/** What is left of a prompt that the record kept. */
export type KeptPrompt =
  /** `text`: as far as it was kept, which may be less than the whole. */
  | { readonly state: 'readable'; readonly text: string }
  /** The month's key was destroyed: nobody reads it any more. */
  | { readonly state: 'forgotten'; readonly month: string }
  /** The key was wrapped with another secret, or the sealed text isn't what was written for this call. */
  | { readonly state: 'unreadable' };

/** By which login and secret a kept prompt is opened. */
export interface KeptPromptOptions {
  /** The append login, which may ask for keys. */
  readonly appendUrl: string;
  /** What the keys of the months are wrapped with. */
  readonly secret: string;
  readonly environment: EnvironmentName;
  readonly callId: CallId;
  /** As the event has it. */
  readonly sealed: string;
}

/** Opens a prompt that the record kept. Throws what Postgres or the network says. */
export async function readKeptPrompt(options: KeptPromptOptions): Promise<KeptPrompt> {
  const { appendUrl, secret, environment, callId, sealed } = options;
  const month = monthOfSealed(sealed);
  if (month === undefined) return { state: 'unreadable' };
  return withSession(appendUrl, 'ideogate-month-keys', SHORT_TIMEOUTS, async (session) => {
    // Offering none, so that asking for a month makes no key for it.
    const [row] = await session.rows<{ wrapped: Buffer | null }>(
      'SELECT ideogate.month_key_of($1::date, NULL) AS wrapped',
      [`${month}-01`],
    );
    if (row?.wrapped == null) return { state: 'forgotten', month };
    const key = openWrappedKey(wrappingOf(secret, environment), month, row.wrapped);
    const text = key && openSealed(key, month, callId, sealed);
    return text === null ? { state: 'unreadable' } : { state: 'readable', text };
  });
}
