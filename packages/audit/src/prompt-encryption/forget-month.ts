import { FaultError } from '@ideogate/contract';
import type { Session } from '@ideogate/postgres';
import { withOwner } from '../database/owner-session.ts';
import { type Month, startOf } from '../month.ts';

/** Why a month's key isn't destroyed. */
export type ForgetFault =
  /** The month's key is still in use. */
  | 'not-over'
  /** It was destroyed before. */
  | 'forgotten-already';

/** A month's key isn't destroyed. */
export class ForgetError extends FaultError<ForgetFault> {
  override readonly name = 'ForgetError';
}

/** Gateways let go of a month's key one day after its end; the second day is for clocks that differ. */
const HELD_FOR_MICROS = 2n * 86_400_000_000n;

/** Which month's key goes. */
export interface Forgetting {
  readonly ownerUrl: string;
  readonly month: Month;
  readonly now: () => bigint;
  /** Puts on record that the key goes. It goes only if this doesn't throw. */
  readonly announce: () => Promise<void>;
}

/**
 * Destroys the key of a month: what was digested or sealed under it can never again be matched, guessed or read, and
 * the chain, which covers digests and not prompts, is as it was. Backups of the database keep the wrapped key until
 * they are gone themselves.
 * @throws ForgetError, what `announce` throws, or what Postgres says
 */
export async function forgetMonth({ ownerUrl, month, now, announce }: Forgetting): Promise<void> {
  if (now() < startOf(month, 1) + HELD_FOR_MICROS) {
    throw new ForgetError(
      'not-over',
      `the key of ${month} may still be in use: it can be destroyed from the third day after the month's end on`,
    );
  }
  return withOwner(ownerUrl, async (session) => {
    const { rows } = await session.query({
      text: 'SELECT FROM ideogate.month_key WHERE month = $1 AND wrapped IS NULL',
      values: [`${month}-01`],
    });
    if (rows.length > 0)
      throw new ForgetError('forgotten-already', `the key of ${month} is destroyed already`);
    await announce();
    await destroyMonthKey(session, month);
  });
}

/** Destroys a month's key. A row also where there was none: nobody shall make one for this month any more. */
export async function destroyMonthKey(session: Session, month: Month): Promise<void> {
  await session.query({
    text: `INSERT INTO ideogate.month_key (month, wrapped, destroyed_at) VALUES ($1, NULL, now())
        ON CONFLICT (month) DO UPDATE SET wrapped = NULL, destroyed_at = now()`,
    values: [`${month}-01`],
  });
  // The row as it was would stay in the table's file until something is written over it: a new file is made.
  await session.query({ text: 'VACUUM FULL ideogate.month_key' });
}
