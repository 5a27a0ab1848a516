import type { Settings } from '@ideogate/config';
import {
  isWebhookState,
  type KeptWebhook,
  listWebhooks,
  openWebhookPool,
  replayWebhooks,
  WEBHOOK_STATES,
  type WebhookFilter,
} from '@ideogate/webhook-inbox';
import { auditAction } from '@ideogate/audit/append';
import { errorCode } from '@ideogate/contract';
import { SQLSTATE, sqlState } from '@ideogate/postgres';
import { CommandError, EXIT } from '../exit-codes.ts';
import { actorOf, loginOf, type RunningProduct, runningProduct } from '../running-product.ts';
import { printed, wantsJson, writeJson } from '../terminal.ts';

/** Flags of `ideogate webhooks list`. */
export interface WebhooksListOptions {
  readonly state?: string;
  readonly endpoint?: string;
  readonly limit: string;
  readonly json?: boolean;
}

/** Webhooks that came in, newest first, and where each stands. Never what is in them. */
export async function webhooksList(settings: Settings, options: WebhooksListOptions): Promise<number> {
  const { state, endpoint } = options;
  if (state !== undefined && !isWebhookState(state))
    throw new CommandError(EXIT.invalidInput, `--state is one of ${WEBHOOK_STATES.join(', ')}.`);
  const limit = readLimit(options.limit);
  const webhooks = await withInbox(runningProduct(settings), (pool) =>
    listWebhooks(pool, {
      limit,
      ...(state === undefined ? {} : { state }),
      ...(endpoint === undefined ? {} : { endpoint }),
    }),
  );
  if (wantsJson(options)) writeJson(webhooks);
  else
    process.stdout.write(
      webhooks.length === 0
        ? 'No webhooks pass these filters.\n'
        : [HEADING, ...webhooks.map(line), ''].join('\n'),
    );
  return EXIT.fine;
}

/** Flags of `ideogate webhooks replay`. */
export interface WebhooksReplayOptions {
  readonly dead?: boolean;
  readonly endpoint?: string;
  readonly json?: boolean;
}

/** Has webhooks delivered again: those named, or every dead letter. Who did so is in the record first. */
export async function webhooksReplay(
  settings: Settings,
  ids: readonly string[],
  options: WebhooksReplayOptions,
): Promise<number> {
  const { dead, endpoint } = options;
  if (ids.length > 0 === (dead === true))
    throw new CommandError(
      EXIT.invalidInput,
      'Say which: ids, as webhooks list shows them, or --dead for every dead letter.',
    );
  if (endpoint !== undefined && dead !== true)
    throw new CommandError(
      EXIT.invalidInput,
      '--endpoint goes with --dead: an id says itself which one it is.',
    );
  const wrong = ids.find((id) => !/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id));
  if (wrong !== undefined)
    throw new CommandError(
      EXIT.invalidInput,
      `${printed(wrong)} is not an id of a webhook: take it from webhooks list.`,
    );
  const product = runningProduct(settings);
  const filter: WebhookFilter =
    dead === true
      ? { limit: MOST, state: 'dead', ...(endpoint === undefined ? {} : { endpoint }) }
      : { limit: MOST, ids };
  const found = (await withInbox(product, (pool) => listWebhooks(pool, filter))).map(({ id }) => id);
  const unknown = ids.filter((id) => !found.includes(id));
  if (unknown.length > 0)
    throw new CommandError(EXIT.failed, `Nothing was done: there is no webhook ${unknown.join(', ')}.`);
  if (found.length > 0)
    await auditAction(actorOf(product), 'webhooks-replayed', 'webhooks replay', {
      count: String(found.length),
      first: found.at(-1) ?? '',
      last: found[0] ?? '',
      ...(endpoint === undefined ? {} : { endpoint }),
    });
  const replayed = found.length === 0 ? [] : await withInbox(product, (pool) => replayWebhooks(pool, found));
  const gone = found.filter((id) => !replayed.includes(id));
  if (wantsJson(options)) writeJson({ replayed, gone });
  else {
    process.stdout.write(`${replayed.length} on their way again.\n`);
    if (gone.length > 0)
      process.stdout.write(`Their bodies are gone, a week after their delivery: ${gone.join(', ')}.\n`);
  }
  return gone.length > 0 ? EXIT.failed : EXIT.fine;
}

/** So many at once; the same command goes on. */
const MOST = 10_000;

const NEVER_MADE: readonly unknown[] = [SQLSTATE.undefinedTable, SQLSTATE.invalidSchemaName];

async function withInbox<T extends readonly unknown[]>(
  product: RunningProduct,
  work: (pool: ReturnType<typeof openWebhookPool>) => Promise<T>,
): Promise<T | []> {
  const pool = openWebhookPool(loginOf(product, 'webhook'));
  try {
    return await work(pool);
  } catch (error) {
    // No endpoint was ever set up here, so that what keeps deliveries was never made.
    if (NEVER_MADE.includes(sqlState(error))) return [];
    throw new CommandError(
      EXIT.failed,
      `The webhooks cannot be read (${errorCode(error)}): is the database up?`,
    );
  } finally {
    await pool.end();
  }
}

function readLimit(text: string): number {
  const limit = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= MOST) return limit;
  throw new CommandError(EXIT.invalidInput, `--limit is a number from 1 to ${MOST}.`);
}

const HEADING = row(['received', 'id', 'endpoint', 'event', 'state', 'tries', 'next try', 'why not yet']);

function line(webhook: KeptWebhook): string {
  return row([
    webhook.receivedAt.slice(0, 19),
    webhook.id,
    webhook.endpoint,
    webhook.eventId.length > 24 ? `${webhook.eventId.slice(0, 23)}…` : webhook.eventId,
    webhook.state,
    String(webhook.attempts ?? '-'),
    webhook.nextAttemptAt?.slice(0, 19) ?? '-',
    webhook.lastFault ?? '',
  ]);
}

function row(cells: readonly string[]): string {
  const widths = [20, 37, 14, 24, 10, 6, 20];
  return cells
    .map((cell, at) => printed(cell).padEnd(widths[at] ?? 0))
    .join(' ')
    .trimEnd();
}
