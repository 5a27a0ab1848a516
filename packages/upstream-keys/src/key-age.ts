const DAY_MS = 86_400_000;
/** From this part of its greatest age on, a key is to be replaced. */
const SOON = 0.8;

/** `due`: four fifths of its greatest age are over. `over`: all of it. */
export type AgeVerdict = 'young' | 'due' | 'over';

/** How old a key is, and what that means where keys may be so old. */
export function ageOfKey(
  since: Date,
  now: Date,
  maxDays: number,
): { readonly days: number; readonly verdict: AgeVerdict } {
  const days = (now.getTime() - since.getTime()) / DAY_MS;
  return {
    days: Math.floor(days),
    verdict: days >= maxDays ? 'over' : days >= maxDays * SOON ? 'due' : 'young',
  };
}
