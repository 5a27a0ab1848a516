import { type Month, parseMonth } from '@ideogate/audit';
import { CommandError, EXIT } from './exit-codes.ts';

/** @throws CommandError when the text names no month. */
export function readMonth(text: string): Month {
  const month = parseMonth(text);
  if (month !== undefined) return month;
  throw new CommandError(EXIT.invalidInput, `--month ${text} is not a month such as 2026-01.`);
}
