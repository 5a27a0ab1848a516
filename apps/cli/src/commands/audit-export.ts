import { requireFaultless, type Settings } from '@ideogate/config';
import { resolve } from 'node:path';
import { hostname } from 'node:os';
import {
  EXPORT_URL_RULE,
  exportName,
  forgetExport,
  type ExportTarget,
  fileTarget,
  httpTarget,
  isExportUrl,
  type Missing,
  exportEventsOnce,
  exportEventsUntil,
  type SendingOptions,
  streamTarget,
  TargetError,
} from '@ideogate/audit/export';
import { auditAction, auditRead } from '@ideogate/audit/append';
import { errorCode } from '@ideogate/contract';
import { CommandError, EXIT } from '../exit-codes.ts';
import { describeError } from '../describe-error.ts';
import { ownerUrl } from '../owner-login.ts';
import { actorOf, loginOf, type RunningProduct, runningProduct } from '../running-product.ts';
import { confirmed } from '../terminal.ts';

/** Flags of `ideogate audit export`. */
export interface AuditExportOptions {
  readonly out?: string;
  readonly to?: string;
  readonly cursor?: string;
  readonly follow?: boolean;
  readonly forget?: boolean;
  readonly yes?: boolean;
}

const nowMicros = () => BigInt(Date.now()) * 1000n;

/** Sends the record out, from where the last run to the same place stopped. */
export async function auditExport(settings: Settings, options: AuditExportOptions): Promise<number> {
  requireOnePlace(options);
  const authorization = readAuthorization(settings);
  const product = runningProduct(settings);
  if (options.forget === true) return giveUp(settings, product, options);
  const { target, name } = targetOf(options, product, authorization);
  await auditRead(actorOf(product), 'audit export', options);
  const over = new AbortController();
  process.once('SIGINT', () => over.abort());
  process.once('SIGTERM', () => over.abort());
  process.stdout.once('error', () => over.abort());
  const sending: SendingOptions = {
    readUrl: loginOf(product, 'read'),
    target,
    name,
    now: nowMicros,
    onFault: (error) => process.stderr.write(`Not sent yet (${describeFault(error)}); trying again.\n`),
    onMissing: (missing) => process.stderr.write(`${describeMissing(missing)}\n`),
  };
  try {
    if (options.follow === true) await exportEventsUntil(sending, over.signal);
    else await exportEventsOnce(sending, over.signal);
  } catch (error) {
    throw new CommandError(
      EXIT.failed,
      error instanceof TargetError
        ? `Nothing was exported: ${error.message}.`
        : `The export ended early (${errorCode(error)}): is the database up, and can the place be written? The same command goes on.`,
    );
  }
  return EXIT.fine;
}

/** Forgets how far an export came, so that months may leave without it. */
async function giveUp(
  settings: Settings,
  product: RunningProduct,
  options: AuditExportOptions,
): Promise<number> {
  const name = exportName(options.to ?? '');
  const owner = ownerUrl(settings, product);
  await confirmed(`Give up the ${name}? Should it be begun again, it sends everything anew.`, options);
  try {
    const known = await forgetExport({
      ownerUrl: owner,
      name,
      announce: () => auditAction(actorOf(product), 'export-forgotten', 'audit export', { name }),
    });
    process.stdout.write(known ? `The ${name} is forgotten.\n` : `Nothing is known of an ${name}.\n`);
    return EXIT.fine;
  } catch (error) {
    const described = describeError(error);
    if (described !== null) throw described;
    throw new CommandError(
      EXIT.failed,
      error instanceof TargetError
        ? `Nothing was done: ${error.message}.`
        : `It was not done (${errorCode(error)}): is the database up?`,
    );
  }
}

function requireOnePlace({ out, to, cursor, follow, forget }: AuditExportOptions): void {
  if ((out === undefined) === (to === undefined))
    throw new CommandError(EXIT.invalidInput, 'Say where to: --out FILE, --out - or --to URL, one of them.');
  if (to !== undefined && !isExportUrl(to))
    throw new CommandError(EXIT.invalidInput, `--to is ${EXPORT_URL_RULE}.`);
  if (forget === true && (to === undefined || follow === true))
    throw new CommandError(EXIT.invalidInput, '--forget goes with --to URL: the database knows of no other.');
  if (cursor !== undefined && out !== '-')
    throw new CommandError(
      EXIT.invalidInput,
      '--cursor goes with --out - only: a file has its own beside it, and an address in the database.',
    );
  if (follow === true && out === '-' && process.stdout.isTTY)
    throw new CommandError(EXIT.invalidInput, 'To look at calls as they come in, use audit tail.');
}

function targetOf(
  { out, to, cursor, follow }: AuditExportOptions,
  product: RunningProduct,
  authorization: string | null,
): { readonly target: ExportTarget; readonly name: string } {
  if (to !== undefined)
    return {
      target: httpTarget({ url: to, authorization, appendUrl: loginOf(product, 'append') }),
      name: exportName(to),
    };
  const place = (file: string) => `export ${hostname()} ${resolve(file)}`;
  if (out === undefined || out === '-') {
    // Two pipes are two places, unless they share a cursor.
    const name = cursor === undefined ? place(`pipe ${process.pid}`) : place(cursor);
    return { target: streamTarget(process.stdout, cursor ?? null), name };
  }
  const { environment } = product;
  const header = follow === true ? {} : { header: { atMicros: nowMicros(), environment } };
  return { target: fileTarget({ file: out, ...header }), name: place(out) };
}

function readAuthorization(settings: Settings): string | null {
  requireFaultless(settings, 'IDEOGATE_EXPORT_AUTHORIZATION');
  return settings.values.record.exportAuthorization?.reveal() ?? null;
}

/** The network's code where there is one; what the address answered. Neither holds a secret. */
function describeFault(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  return error.cause instanceof Error ? errorCode(error.cause) : error.message;
}

function describeMissing({ writer, from, to }: Missing): string {
  return `Events ${from} to ${to} of writer ${writer} are not in the database any more: find them in an archive.`;
}
