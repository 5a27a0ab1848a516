import type { Settings } from '@ideogate/config';
import { type Gap, listGaps, openReadPool } from '@ideogate/audit';
import { auditRead } from '@ideogate/audit/append';
import { errorCode, parseCallId } from '@ideogate/contract';
import { CommandError, EXIT } from '../exit-codes.ts';
import { actorOf, loginOf, runningProduct } from '../running-product.ts';
import { wantsJson, writeJson } from '../terminal.ts';

/** Flags of `ideogate audit gaps`. */
export interface AuditGapsOptions {
  readonly limit: string;
  readonly before?: string;
  readonly json?: boolean;
}

/** Calls whose end isn't in the record, newest first: those closed as gaps, with why, and those that are open. */
export async function auditGaps(settings: Settings, options: AuditGapsOptions): Promise<number> {
  const page = { limit: readLimit(options.limit), ...readBefore(options.before) };
  const product = runningProduct(settings);
  await auditRead(actorOf(product), 'audit gaps', options);
  const pool = openReadPool(loginOf(product, 'read'));
  try {
    const gaps = await listGaps(pool, page);
    if (wantsJson(options)) writeJson(gaps);
    else process.stdout.write(`${describeGaps(gaps, page.limit).join('\n')}\n`);
    return EXIT.fine;
  } catch (error) {
    throw new CommandError(
      EXIT.failed,
      `The record cannot be read (${errorCode(error)}): is its database up?`,
    );
  } finally {
    await pool.end();
  }
}

function describeGaps(gaps: readonly Gap[], limit: number): readonly string[] {
  const last = gaps.at(-1);
  if (last === undefined) return ['No gaps: the record has the end of every call.'];
  const more = `More, if there are any: --before ${last.since},${last.callId}`;
  return [HEADING, ...gaps.map(line), ...(gaps.length === limit ? [more] : [])];
}

const HEADING = row(['since', 'call', 'caller', 'operation', 'state', 'why']);

function line(gap: Gap): string {
  return row([
    gap.since.slice(0, 19),
    gap.callId,
    gap.subject ?? '-',
    gap.operation ?? '-',
    gap.state,
    gap.reason ?? (gap.overdue === true ? 'past its time; about to be closed' : 'may still run'),
  ]);
}

function row(cells: readonly string[]): string {
  const widths = [20, 37, 16, 32, 6];
  return cells
    .map((cell, i) => cell.padEnd(widths[i] ?? 0))
    .join('')
    .trimEnd();
}

function readLimit(text: string): number {
  const limit = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= 10_000) return limit;
  throw new CommandError(EXIT.invalidInput, '--limit is a number from 1 to 10000.');
}

function readBefore(text: string | undefined): { readonly before?: Pick<Gap, 'since' | 'callId'> } {
  if (text === undefined) return {};
  const [since = '', id = ''] = text.split(',');
  const callId = parseCallId(id);
  if (callId !== undefined && /^[0-9-]{10}T[0-9:.]{8,15}Z$/.test(since) && !Number.isNaN(Date.parse(since)))
    return { before: { since, callId } };
  throw new CommandError(
    EXIT.invalidInput,
    '--before is the `since` and the call id of the last gap of the page before, with a comma between.',
  );
}
