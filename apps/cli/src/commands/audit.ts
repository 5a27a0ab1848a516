import type { Settings } from '@ideogate/config';
import { type KeptPrompt, openReadPool, readKeptPrompt } from '@ideogate/audit';
import {
  type Call,
  type CallFilter,
  listCalls,
  type RecordedEvent,
  showCall,
  tailCalls,
} from '@ideogate/audit/query';
import { auditRead } from '@ideogate/audit/append';
import { type CallId, errorCode, parseCallId } from '@ideogate/contract';
import { readInstallationKey } from '@ideogate/data-dir';
import { CommandError, EXIT } from '../exit-codes.ts';
import { describeError } from '../describe-error.ts';
import { actorOf, loginOf, type RunningProduct, runningProduct } from '../running-product.ts';
import { milliseconds } from '../span.ts';
import { printed, wantsJson, writeJson } from '../terminal.ts';

export interface AuditOptions {
  readonly caller?: string;
  readonly operation?: string;
  readonly result?: string;
  readonly state?: string;
  readonly reason?: string;
  readonly key?: string;
  readonly token?: string;
  readonly since?: string;
  readonly limit?: string;
  readonly json?: boolean;
}

/** The newest calls that pass the filters, newest first. */
export function auditList(settings: Settings, options: AuditOptions): Promise<number> {
  const filter = readFilter(options);
  const limit = readLimit(options.limit);
  return withRecord(settings, 'audit list', options, async (pool) => {
    const calls = await listCalls(pool, { ...filter, limit });
    if (wantsJson(options)) writeJson(calls);
    else
      process.stdout.write(
        calls.length === 0 ? 'No calls pass these filters.\n' : [HEADING, ...calls.map(line), ''].join('\n'),
      );
    return EXIT.fine;
  });
}

/** Everything the record holds on one call, its prompt too where policy let the record keep it. */
export function auditShow(settings: Settings, id: string, options: { json?: boolean }): Promise<number> {
  const callId = parseCallId(id);
  if (callId === undefined)
    throw new CommandError(
      EXIT.invalidInput,
      `${id} is not a call id: take it from the Ideogate-Call-Id field of an answer.`,
    );
  return withRecord(settings, 'audit show', { call: callId }, async (pool, product) => {
    const call = await showCall(pool, callId);
    if (call === null) throw new CommandError(EXIT.failed, `The record has no call ${id}.`);
    const prompt = await keptPrompt(product, callId, call.outcome);
    if (wantsJson(options)) writeJson({ ...call, prompt });
    else
      process.stdout.write(
        [
          ...section('decision', call.decision),
          ...section('outcome', call.outcome && { ...call.outcome, promptSealed: null }),
          ...(prompt === null ? [] : ['prompt:', ...promptLines(prompt), '']),
        ].join('\n'),
      );
    return EXIT.fine;
  });
}

/** `cut`: it was longer than the record keeps. */
type ShownPrompt = KeptPrompt & { readonly cut?: boolean };

async function keptPrompt(
  product: RunningProduct,
  callId: CallId,
  outcome: RecordedEvent | null,
): Promise<ShownPrompt | null> {
  const sealed = outcome?.promptSealed ?? null;
  if (sealed === null) return null;
  const { environment, dir } = product;
  const secret = readInstallationKey(dir, 'prompt');
  const appendUrl = loginOf(product, 'append');
  const kept = await readKeptPrompt({ appendUrl, secret, environment, callId, sealed });
  return kept.state === 'readable' ? { ...kept, cut: kept.text.length < (outcome?.promptLength ?? 0) } : kept;
}

function promptLines(prompt: ShownPrompt): readonly string[] {
  switch (prompt.state) {
    case 'readable':
      return [
        `  ${printed(prompt.text)}`,
        ...(prompt.cut === true
          ? [`  (cut: the record keeps its first ${prompt.text.length} characters)`]
          : []),
      ];
    case 'forgotten':
      return [`  forgotten: the key of ${prompt.month} was destroyed`];
    case 'unreadable':
      return ["  cannot be opened with this data folder's secret: was it written by another installation?"];
  }
}

/** What is null says nothing, and is left out. */
function section(name: string, event: object | null): string[] {
  if (event === null) return [`${name}: none`, ''];
  const fields = Object.entries(event).filter(([, value]) => value !== null);
  return [`${name}:`, ...fields.map(([field, value]) => `  ${field.padEnd(18)} ${printed(value)}`), ''];
}

/** Calls as they come in, until interrupted: one line each, or one JSON document a line. */
export function auditTail(settings: Settings, options: AuditOptions): Promise<number> {
  const filter = readFilter(options);
  const over = new AbortController();
  process.once('SIGINT', () => over.abort());
  process.once('SIGTERM', () => over.abort());
  process.stdout.once('error', () => over.abort());
  return withRecord(settings, 'audit tail', options, async (pool) => {
    const json = wantsJson(options);
    for await (const call of tailCalls(pool, { ...filter, since: filter.since ?? new Date() }, over.signal)) {
      process.stdout.write(json ? `${JSON.stringify(call)}\n` : `${line(call)}\n`);
    }
    return EXIT.fine;
  });
}

/** Opens the record for a command, which the record is told of first. */
async function withRecord(
  settings: Settings,
  command: string,
  asked: object,
  work: (pool: ReturnType<typeof openReadPool>, product: RunningProduct) => Promise<number>,
): Promise<number> {
  const product = runningProduct(settings);
  await auditRead(actorOf(product), command, asked);
  const pool = openReadPool(loginOf(product, 'read'));
  try {
    return await work(pool, product);
  } catch (error) {
    const described = describeError(error);
    if (described !== null) throw described;
    throw new CommandError(
      EXIT.failed,
      `The record cannot be read (${errorCode(error)}): is its database up?`,
    );
  } finally {
    await pool.end();
  }
}

function readFilter(options: AuditOptions): CallFilter {
  const { result, state, since } = options;
  if (result !== undefined && result !== 'success' && result !== 'failure') {
    throw new CommandError(EXIT.invalidInput, '--result is success or failure.');
  }
  if (state !== undefined && !isState(state)) {
    throw new CommandError(EXIT.invalidInput, `--state is one of ${STATES.join(', ')}.`);
  }
  const { caller, operation, reason, key, token } = options;
  return {
    ...(caller === undefined ? {} : { caller }),
    ...(operation === undefined ? {} : { operation }),
    ...(result === undefined ? {} : { result }),
    ...(state === undefined ? {} : { state }),
    ...(reason === undefined ? {} : { reason }),
    ...(key === undefined ? {} : { key }),
    ...(token === undefined ? {} : { token }),
    ...(since === undefined ? {} : { since: readSince(since) }),
  };
}

const STATES = ['refused', 'open', 'gap', 'done'] as const satisfies readonly Call['state'][];

function isState(text: string): text is Call['state'] {
  return (STATES as readonly string[]).includes(text);
}

function readSince(text: string): Date {
  const ago = milliseconds(text);
  const time = ago === undefined ? timeOf(text) : Date.now() - ago;
  if (!(time >= EARLIEST)) {
    throw new CommandError(
      EXIT.invalidInput,
      `--since ${text} is neither a span such as 90s, 15m, 2h, 7d nor a time such as 2026-01-31T09:00:00Z, of 1970 or later.`,
    );
  }
  return new Date(time);
}

/** No record is older than this, and what is far before it no database can name. */
const EARLIEST = Date.UTC(1970, 0, 1);

/** RFC 3339, or a day of it (in UTC): Date.parse alone would take `7` for a month of 2001. */
function timeOf(text: string): number {
  // A day that there isn't is one of the next month to Date.parse.
  const day = new Date(`${text.slice(0, 10)}T00:00:00Z`);
  if (Number.isNaN(day.getTime()) || !day.toISOString().startsWith(text.slice(0, 10))) return Number.NaN;
  return /^[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?:Z|[+-][0-9]{2}:[0-9]{2}))?$/.test(
    text,
  )
    ? Date.parse(text)
    : Number.NaN;
}

function readLimit(text = '50'): number {
  const limit = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= 10_000) return limit;
  throw new CommandError(EXIT.invalidInput, '--limit is a number from 1 to 10000.');
}

const HEADING = row(['time', 'call', 'caller', 'operation', 'state', 'result', 'status', 'why']);

function line(call: Call): string {
  return row([
    call.decidedAt.slice(0, 19),
    call.callId,
    call.subject ?? '-',
    call.operation ?? call.resource ?? '-',
    call.state,
    call.result,
    String(call.status ?? '-'),
    call.reason ?? '',
  ]);
}

function row(cells: readonly string[]): string {
  const widths = [20, 37, 16, 32, 8, 10, 7];
  return cells
    .map((cell, i) => printed(cell).padEnd(widths[i] ?? 0))
    .join('')
    .trimEnd();
}
