import type { Settings } from '@ideogate/config';
import { existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { auditRead } from '@ideogate/audit/append';
import {
  KeyTextError,
  openCheckpointKeys,
  parseVerifierKey,
  type VerifierKey,
} from '@ideogate/audit/checkpoints';
import {
  InterruptedError,
  NoCheckpointsError,
  type Progress,
  ResumeError,
  verifyRecord,
  type VerifyOptions,
  type VerifyReport,
} from '@ideogate/audit/verify';
import { readNamedText } from '@ideogate/config';
import { errorCode } from '@ideogate/contract';
import {
  checkpointKeyFile,
  currentEnvironmentDir,
  dataDir,
  isRunning,
  keptCheckpointsFile,
} from '@ideogate/data-dir';
import { CommandError, EXIT } from '../exit-codes.ts';
import { actorOf, loginOf, runningProduct } from '../running-product.ts';
import { faultOfInputFile } from '../input-file.ts';
import { milliseconds } from '../span.ts';
import { printed, wantsJson, writeJson } from '../terminal.ts';

/** Flags of `ideogate audit verify`. */
export interface AuditVerifyOptions {
  readonly database?: string;
  readonly key?: readonly string[];
  readonly checkpoints?: readonly string[];
  readonly archive?: readonly string[];
  readonly gapAfter: string;
  readonly resume?: string;
  readonly json?: boolean;
}

/** Verifies the record. Exit 0 only when nothing is wrong. */
export async function auditVerify(
  settings: Settings,
  files: readonly string[],
  options: AuditVerifyOptions,
): Promise<number> {
  const asked = await readRequest(settings, files, options);
  const over = new AbortController();
  process.once('SIGINT', () => over.abort());
  process.once('SIGTERM', () => over.abort());
  const report = await run({ ...asked, signal: over.signal, onProgress: progressBar() }, options.resume);
  clearProgress();
  if (wantsJson(options)) writeJson(report);
  else process.stdout.write(`${inWords(report).join('\n')}\n`);
  return report.ok ? EXIT.fine : EXIT.failed;
}

async function run(options: VerifyOptions, resume: string | undefined): Promise<VerifyReport> {
  try {
    return await verifyRecord(options);
  } catch (error) {
    clearProgress();
    if (error instanceof InterruptedError) {
      const how = resume === undefined ? 'With --resume FILE it could go on.' : 'The same command goes on.';
      throw new CommandError(EXIT.failed, `Interrupted: ${error.message}, and nothing is proved. ${how}`);
    }
    if (error instanceof ResumeError)
      throw new CommandError(EXIT.invalidInput, `${error.message}: remove it to begin anew.`);
    if (error instanceof NoCheckpointsError)
      throw new CommandError(EXIT.invalidInput, `${error.message}. Nothing is proved.`);
    const what = options.source.kind === 'database' ? 'The record' : 'A file';
    throw new CommandError(
      EXIT.failed,
      `${what} cannot be read (${errorCode(error)}), so nothing is proved.`,
    );
  }
}

/** Everything that was asked for, checked; every fault is told at once. */
async function readRequest(
  settings: Settings,
  files: readonly string[],
  options: AuditVerifyOptions,
): Promise<VerifyOptions> {
  const { archive = [], checkpoints = [], database, resume } = options;
  const faults: string[] = [];
  const unreadable = [
    ...[...files, ...archive].map((file) => faultOfInputFile(file, 'regular')),
    ...checkpoints.map((file) => faultOfInputFile(file, 'any')),
  ];
  faults.push(...unreadable.filter((fault) => fault !== null));
  if (resume !== undefined && existsSync(resume)) {
    const fault = faultOfInputFile(resume, 'regular');
    if (fault !== null) faults.push(`--resume: ${fault}`);
  } else if (resume !== undefined && !existsSync(dirname(resume)))
    faults.push(`--resume: ${dirname(resume)} is not there.`);
  if (database !== undefined && !isPostgresUrl(database))
    faults.push('--database is a URL such as postgres://login:password@host:5432/ideogate.');
  if (files.length > 0 && (database !== undefined || archive.length > 0))
    faults.push('Give either files, or a database with --archive: files alone are verified without one.');
  const gapAfterMs = milliseconds(options.gapAfter);
  if (gapAfterMs === undefined) faults.push('--gap-after is a span such as 90s, 15m or 2h.');
  const keys = readKeys(settings, options.key, faults);
  if (faults.length > 0 || gapAfterMs === undefined) throw new CommandError(EXIT.invalidInput, faults);
  const source = await readSource(settings, files, options);
  const own = source.kind === 'database' && database === undefined;
  return {
    keys,
    source,
    ...(own ? { environment: runningProduct(settings).environment } : {}),
    kept: [...checkpoints, ...(own ? ownKept(settings) : [])],
    gapAfterMs,
    now: () => BigInt(Date.now()) * 1000n,
    ...(resume === undefined ? {} : { resume }),
  };
}

async function readSource(
  settings: Settings,
  files: readonly string[],
  { archive = [], database, checkpoints, key }: AuditVerifyOptions,
): Promise<VerifyOptions['source']> {
  if (files.length > 0) return { kind: 'files', files };
  if (database !== undefined) return { kind: 'database', readUrl: database, archives: archive };
  const product = runningProduct(settings);
  const given = { archive: archive.join(' '), checkpoints: checkpoints?.join(' '), key: key?.join(' ') };
  await auditRead(actorOf(product), 'audit verify', given);
  return { kind: 'database', readUrl: loginOf(product, 'read'), archives: archive };
}

/** What the product kept of its checkpoints, apart from its database. */
function ownKept(settings: Settings): readonly string[] {
  const file = keptCheckpointsFile(currentEnvironmentDir(settings));
  // It is made before the first is written into it.
  return (statSync(file, { throwIfNoEntry: false })?.size ?? 0) > 0 ? [file] : [];
}

function isPostgresUrl(text: string): boolean {
  return /^postgres(?:ql)?:$/.test(URL.parse(text)?.protocol ?? '');
}

/** Those given, as texts or files of texts; else those of the data folder. */
function readKeys(
  settings: Settings,
  given: readonly string[] | undefined,
  faults: string[],
): readonly VerifierKey[] {
  if (given === undefined) return ownKeys(settings, faults);
  const texts = given.flatMap((key) => textsOfKey(key, faults));
  return texts.flatMap((text) => {
    try {
      return [parseVerifierKey(text)];
    } catch (error) {
      if (!(error instanceof KeyTextError)) throw error;
      faults.push(`--key: ${error.message}; ideogate audit key prints it where the record is signed.`);
      return [];
    }
  });
}

/** A key, or those in a file of that name. */
function textsOfKey(key: string, faults: string[]): readonly string[] {
  if (!existsSync(key)) return [key];
  const fault = faultOfInputFile(key, 'regular');
  const texts = fault === null ? readNamedText(key).split('\n').filter(Boolean) : [];
  if (texts.length === 0) faults.push(`--key: ${fault ?? `${key} holds no key.`}`);
  return texts;
}

function ownKeys(settings: Settings, faults: string[]): readonly VerifierKey[] {
  const file = checkpointKeyFile(settings, currentEnvironmentDir(settings));
  if (existsSync(file)) return openCheckpointKeys(file).inForce();
  // Said by what looks for the running product, in its own words.
  if (isRunning(dataDir(settings)))
    faults.push(`There is no key in ${file}: give the signer's public key with --key.`);
  else
    faults.push(
      "Give the signer's public key with --key: ideogate audit key prints it where the record is signed.",
    );
  return [];
}

const BAR = 30;

/** A bar on a terminal; nothing on a pipe. */
function progressBar(): (progress: Progress) => void {
  if (!process.stderr.isTTY) return () => undefined;
  const started = performance.now();
  return ({ events, of }) => {
    const share = of === 0 ? 0 : Math.min(1, events / of);
    const bar = '#'.repeat(Math.round(share * BAR)).padEnd(BAR, '.');
    const rate = Math.round((events / (performance.now() - started)) * 1000);
    process.stderr.write(
      `\r[${bar}] ${(share * 100).toFixed(0)} %  ${events.toLocaleString('en')} events, ${rate.toLocaleString('en')}/s `,
    );
  };
}

function clearProgress(): void {
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
}

function inWords(report: VerifyReport): readonly string[] {
  const { ok, events, checkpoints, faults, more, reported } = report;
  const proved = `${events.toLocaleString('en')} events of ${reported.chains.toLocaleString('en')} writers, ${checkpoints.toLocaleString('en')} checkpoints`;
  return [
    ok ? `The record is whole: ${proved}.` : `The record is NOT whole: ${proved}.`,
    ...faults.map(({ fault, writer, seq, detail }) =>
      printed(
        `  ${fault.padEnd(18)} ${writer === null ? '' : `writer ${writer}, `}${seq === null ? '' : `${seq}: `}${detail}`,
      ),
    ),
    ...(more > 0 ? [`  and ${more.toLocaleString('en')} more`] : []),
    ...reportedInWords(reported),
  ];
}

function reportedInWords({
  last_checkpoint,
  tail,
  open,
  unknown,
  archived,
  notes,
}: VerifyReport['reported']): readonly string[] {
  return [
    last_checkpoint === null
      ? 'There is no checkpoint: cutting off the end would not show.'
      : `The last checkpoint is of ${last_checkpoint}; ${tail} events are younger, held by their own chain alone.`,
    ...(open > 0 ? [`${open} allowed calls have no outcome yet and are within their bound.`] : []),
    ...(unknown > 0 ? [`${unknown} calls were closed as unknown: ideogate audit gaps lists them.`] : []),
    ...archived.map(
      (month) => `Month ${month} is in an archive that was not given: its events are not proved.`,
    ),
    ...notes.map((note) => printed(`${note}.`)),
  ];
}
