import { requireFaultless, type Settings } from '@ideogate/config';
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Month } from '@ideogate/audit';
import {
  ArchiveError,
  type ArchivedMonth,
  archiveMonth,
  dropImported,
  dueMonths,
  importArchive,
  noticeOf,
  type RegisteredArchive,
  removeArchive,
} from '@ideogate/audit/archive';
import { auditAction } from '@ideogate/audit/append';
import { OPERATIONS } from '@ideogate/ideogram';
import { formatFault, parsePolicy, type Retention } from '@ideogate/policy';
import { policyPaths, readPolicyFiles } from '@ideogate/config';
import { errorCode } from '@ideogate/contract';
import { CommandError, EXIT } from '../exit-codes.ts';
import { describeError } from '../describe-error.ts';
import { ownerUrl } from '../owner-login.ts';
import { actorOf, type RunningProduct, runningProduct } from '../running-product.ts';
import { faultOfInputFile } from '../input-file.ts';
import { readMonth } from '../month.ts';
import { confirmed, wantsJson, writeJson } from '../terminal.ts';

/** Flags of `ideogate audit archive`. */
export interface AuditArchiveOptions {
  readonly month?: string;
  readonly folder?: string;
  readonly removeExpired?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
}

/** Archives one month, or those that the policy's retention wants out of the database; lists what is kept too long. */
export async function auditArchive(settings: Settings, options: AuditArchiveOptions): Promise<number> {
  const month = options.month === undefined ? null : readMonth(options.month);
  if (options.folder === undefined) requireFaultless(settings, 'IDEOGATE_ARCHIVE_FOLDER');
  const product = runningProduct(settings);
  const owner = ownerUrl(settings, product);
  const retention = readRetention(settings, product);
  const folder = resolve(
    options.folder ?? settings.values.record.archiveFolder ?? join(product.dir, 'archive'),
  );
  makeFolder(folder);
  return withWords(async () => {
    const due = await dueMonths(owner, retention, BigInt(Date.now()) * 1000n);
    const archived: ArchivedMonth[] = [];
    for (const one of month === null ? due.toArchive : [month]) {
      archived.push(await archive(product, owner, folder, one));
    }
    const removed = options.removeExpired
      ? await removeAll(product, owner, folder, due.expired, options)
      : ([] as const);
    if (wantsJson(options)) writeJson(asJson(folder, archived, due.expired, removed));
    else process.stdout.write(`${lines(folder, archived, due.expired, removed, retention).join('\n')}\n`);
    return EXIT.fine;
  });
}

function archive(
  product: RunningProduct,
  owner: string,
  folder: string,
  month: Month,
): Promise<ArchivedMonth> {
  const { environment } = product;
  return archiveMonth({
    ownerUrl: owner,
    environment,
    folder,
    month,
    now: () => BigInt(Date.now()) * 1000n,
    announce: (archived) =>
      auditAction(actorOf(product), 'month-archived', 'audit archive', noticeOf(archived)),
    onStep: (step) => {
      if (process.stderr.isTTY)
        process.stderr.write(step === 'done' ? '\r\x1b[K' : `\r\x1b[K${month}: ${step}`);
    },
  });
}

/** What became of an archive whose time was over. */
interface Removed {
  readonly month: Month;
  /** False: the file had been taken elsewhere, and is still there. */
  readonly wasThere: boolean;
}

async function removeAll(
  product: RunningProduct,
  owner: string,
  folder: string,
  expired: readonly RegisteredArchive[],
  options: AuditArchiveOptions,
): Promise<readonly Removed[]> {
  if (expired.length === 0) return [];
  await confirmed(`Remove for good ${expired.map(({ file }) => file).join(', ')} in ${folder}?`, options);
  const removed: Removed[] = [];
  for (const archive of expired) {
    const { month, file, sha256 } = archive;
    const wasThere = await removeArchive({
      ownerUrl: owner,
      folder,
      archive,
      announce: () =>
        auditAction(actorOf(product), 'archive-removed', 'audit archive', { month, file, sha256 }),
    });
    removed.push({ month, wasThere });
  }
  return removed;
}

/** Reads an archive back for questions, or with `drop` lets go of all that was read back. */
export function auditImport(
  settings: Settings,
  file: string | undefined,
  options: { readonly drop?: boolean; readonly json?: boolean },
): Promise<number> {
  if ((file === undefined) === (options.drop !== true))
    throw new CommandError(EXIT.invalidInput, 'Give a file to read back, or --drop to let go of what was.');
  const fault = file === undefined ? null : faultOfInputFile(file, 'regular');
  if (fault !== null) throw new CommandError(EXIT.invalidInput, fault);
  const product = runningProduct(settings);
  const owner = ownerUrl(settings, product);
  return withWords(async () => {
    if (file === undefined) {
      const dropped = await dropImported(owner);
      if (wantsJson(options)) writeJson({ dropped });
      else process.stdout.write(dropped ? 'All that was read back is gone.\n' : 'Nothing was read back.\n');
      return EXIT.fine;
    }
    const { month, events, sha256, archivedHere } = await importArchive({
      ownerUrl: owner,
      file,
      announce: (content) =>
        auditAction(actorOf(product), 'archive-imported', 'audit import', {
          month: content.month,
          sha256: content.sha256,
        }),
    });
    if (wantsJson(options)) writeJson({ month, events, sha256, archived_here: archivedHere });
    else {
      const stranger = archivedHere
        ? ''
        : ' This database did not archive it: it is proved by its own hashes alone.';
      process.stdout.write(
        `${month} is there for questions, ${events} events: ask ideogate_imported.audit_call as you would ask ideogate.audit_call.${stranger}\n`,
      );
    }
    return EXIT.fine;
  });
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new CommandError(
      EXIT.invalidInput,
      `${folder} cannot be a folder for archives (${errorCode(error)}).`,
    );
  }
}

function readRetention(settings: Settings, { environment }: RunningProduct): Retention {
  const parsed = parsePolicy(readPolicyFiles(policyPaths(settings)), OPERATIONS);
  if (!parsed.ok) throw new CommandError(EXIT.invalidInput, parsed.faults.map(formatFault));
  const policy = parsed.release.environments.get(environment);
  if (policy !== undefined) return policy.retention;
  throw new CommandError(EXIT.invalidInput, `The policy has no environment ${environment}: add it.`);
}

async function withWords(work: () => Promise<number>): Promise<number> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ArchiveError) {
      const code = INVALID.has(error.fault) ? EXIT.invalidInput : EXIT.failed;
      throw new CommandError(code, `Nothing was done: ${error.message}.`);
    }
    const described = describeError(error);
    if (described !== null) throw described;
    throw new CommandError(
      EXIT.failed,
      `It was not done (${errorCode(error)}): are the database up and the folder writable? The same command goes on where it ended.`,
    );
  }
}

const INVALID: ReadonlySet<ArchiveError['fault']> = new Set([
  'not-closed',
  'no-such-month',
  'archived-already',
  'not-importable',
]);

function lines(
  folder: string,
  archived: readonly ArchivedMonth[],
  expired: readonly RegisteredArchive[],
  removed: readonly Removed[],
  { months, inDatabase }: Retention,
): readonly string[] {
  const gone = new Map(removed.map(({ month, wasThere }) => [month, wasThere]));
  const told = [
    ...archived.map(
      ({ month, events, checkpoints, file, sha256 }) =>
        `${month}: ${events} events and ${checkpoints} checkpoints are now in ${join(folder, file)}, SHA-256 ${sha256}`,
    ),
    ...expired.map(({ month, file }) => {
      const wasThere = gone.get(month);
      if (wasThere === undefined)
        return `${month}: ${file} is older than ${months} months; --remove-expired --yes removes it`;
      return wasThere
        ? `${month}: ${file} was older than ${months} months, and is removed`
        : `${month}: ${file} was older than ${months} months, and is not in ${folder}: remove it where you took it`;
    }),
  ];
  return told.length > 0
    ? told
    : [`Nothing is due: ${inDatabase} months stay in the database, and ${months} are kept in all.`];
}

function asJson(
  folder: string,
  archived: readonly ArchivedMonth[],
  expired: readonly RegisteredArchive[],
  removed: readonly Removed[],
): object {
  const gone = new Map(removed.map(({ month, wasThere }) => [month, wasThere]));
  return {
    folder,
    archived: archived.map(({ month, file, sha256, events, checkpoints }) => ({
      month,
      file,
      sha256,
      events,
      checkpoints,
    })),
    expired: expired.map(({ month, file }) => ({
      month,
      file,
      removed: gone.has(month),
      was_there: gone.get(month) ?? null,
    })),
  };
}
