import type { Settings } from '@ideogate/config';
import {
  ExactFinder,
  filesBelow,
  type Finding,
  GitError,
  gitHistory,
  gitIndex,
  introducedBy,
  MissingObjectsError,
  NoFileError,
  RULES,
  sarifOf,
  scan,
  type Source,
} from '@ideogate/secret-scan';
import manifest from '../../package.json' with { type: 'json' };
import { openReadPool } from '@ideogate/audit';
import { scanText } from '@ideogate/audit/query';
import { auditRead } from '@ideogate/audit/append';
import { errorCode } from '@ideogate/contract';
import { CommandError, EXIT } from '../exit-codes.ts';
import { installHook } from '../commit-hook.ts';
import { knownToScan } from '../known-keys.ts';
import { actorOf, loginOf, runningProduct } from '../running-product.ts';
import { printed, wantsJson, writeJson } from '../terminal.ts';
import { type Given, killKey } from './kill.ts';

/** Flags of `ideogate scan`. */
export interface ScanOptions {
  readonly history?: boolean;
  readonly staged?: boolean;
  readonly stdin?: boolean;
  readonly record?: boolean;
  readonly installHook?: boolean;
  readonly known?: string;
  readonly enforce?: boolean;
  readonly sarif?: boolean;
  readonly json?: boolean;
}

/** Looks for secrets, and says where they are; stops calls with those that are ours. Ends with 1 when there are any. */
export async function scanFor(
  settings: Settings,
  path: string | undefined,
  options: ScanOptions,
): Promise<number> {
  requireOnePlace(path, options);
  const folder = path ?? '.';
  try {
    if (options.installHook === true) {
      process.stdout.write(`${await installHook(folder)} looks at every commit from now on.\n`);
      return EXIT.fine;
    }
    const { keys, notes } = await knownToScan(settings, options.known);
    const exact = new ExactFinder(keys);
    for (const note of notes) process.stderr.write(`${note}\n`);
    if (exact.size === 0) process.stderr.write(`${NO_KEYS}\n`);
    const found = await look(settings, folder, options, exact);
    const stopped =
      options.enforce === true ? await enforce(settings, found.findings) : new Map<string, Given>();
    await show(found, folder, options, stopped);
    if (found.missing > 0)
      process.stderr.write(
        `NOT LOOKED AT: ${found.missing} objects that are not in this clone. Scan a clone that was made without --filter.\n`,
      );
    return found.findings.length === 0 && found.missing === 0 ? EXIT.fine : EXIT.failed;
  } catch (error) {
    if (error instanceof GitError)
      throw new CommandError(EXIT.failed, `Nothing was scanned: ${error.message}.`);
    if (error instanceof NoFileError) throw new CommandError(EXIT.invalidInput, `${printed(error.message)}.`);
    if (errorCode(error) === 'ENOENT')
      throw new CommandError(EXIT.invalidInput, `${printed(folder)} is not there.`);
    throw error;
  }
}

const NO_KEYS =
  'No key is known here, so only what looks like a secret is found: start Ideogate, or give --known (docs/scan.md).';

function requireOnePlace(path: string | undefined, options: ScanOptions): void {
  const { history, staged, stdin, record, installHook: hook, sarif, json } = options;
  if ([history, staged, stdin, record, hook].filter(Boolean).length > 1)
    throw new CommandError(
      EXIT.invalidInput,
      'One of --history, --staged, --stdin, --record, --install-hook at a time.',
    );
  if (path !== undefined && (stdin === true || record === true))
    throw new CommandError(EXIT.invalidInput, 'A path does not go with --stdin or --record.');
  if (sarif === true && json === true) throw new CommandError(EXIT.invalidInput, 'Either --sarif or --json.');
}

/** Stops all calls with every key that was found for certain, each by an order of its own. */
async function enforce(
  settings: Settings,
  findings: readonly Finding[],
): Promise<ReadonlyMap<string, Given>> {
  const stopped = new Map<string, Given>();
  for (const { keyId, file, line } of findings) {
    if (keyId === null || stopped.has(keyId)) continue;
    const where = printed(file).slice(0, 400);
    const given = await killKey(settings, keyId, `scan found it in ${where}:${line}`);
    stopped.set(keyId, given);
    const { confirmed, silent, database } = given;
    process.stderr.write(`${keyId}: calls with it are stopped on ${confirmed.length} gateways.\n`);
    for (const name of silent) process.stderr.write(`NOT CONFIRMED by ${name}: stop that gateway by hand.\n`);
    if (database !== null)
      process.stderr.write(
        `The database did not take it (${database}): give ideogate kill --key ${keyId} again.\n`,
      );
  }
  return stopped;
}

interface Found {
  readonly findings: Finding[];
  sources: number;
  /** More there were than are kept. */
  more: boolean;
  /** What git names and this clone lacks. */
  missing: number;
}

/** Beyond so many a list helps nobody, and memory stays flat. */
const MOST = 10_000;
const PROGRESS_MS = 2_000;

async function look(
  settings: Settings,
  folder: string,
  options: ScanOptions,
  exact: ExactFinder,
): Promise<Readonly<Found>> {
  const found: Found = { findings: [], sources: 0, more: false, missing: 0 };
  try {
    await lookThrough(sourcesOf(settings, folder, options), exact, found);
  } catch (error) {
    if (!(error instanceof MissingObjectsError)) throw error;
    found.missing = error.count;
  }
  return found;
}

async function lookThrough(sources: AsyncIterable<Named>, exact: ExactFinder, found: Found): Promise<void> {
  const { findings } = found;
  let toldAt = performance.now();
  for await (const { source, name } of sources) {
    found.sources += 1;
    if (process.stderr.isTTY && performance.now() - toldAt > PROGRESS_MS) {
      toldAt = performance.now();
      process.stderr.write(`\r${found.sources} looked at, ${findings.length} found`);
    }
    for await (const finding of scan(source, exact)) {
      if (findings.length >= MOST) {
        found.more = true;
        return;
      }
      findings.push(name === undefined ? finding : { ...finding, file: name(finding.line), line: 1 });
    }
  }
}

interface Named {
  readonly source: Source;
  /** What a line is called, where lines are no lines of a file. */
  readonly name?: (line: number) => string;
}

async function* sourcesOf(settings: Settings, folder: string, options: ScanOptions): AsyncGenerator<Named> {
  if (options.stdin === true) {
    const chunks: AsyncIterable<Buffer> = process.stdin;
    yield { source: { file: 'standard input', object: null, inGit: false, chunks } };
  } else if (options.record === true) yield* recordPages(settings);
  else for await (const source of filesIn(folder, options)) yield { source };
}

function filesIn(folder: string, { history, staged }: ScanOptions): AsyncIterable<Source> {
  if (history === true) return gitHistory(folder);
  return staged === true ? gitIndex(folder) : filesBelow(folder);
}

/** A page of events is one text of a line each. */
async function* recordPages(settings: Settings): AsyncGenerator<Named> {
  const product = runningProduct(settings);
  await auditRead(actorOf(product), 'scan', { of: 'record' });
  const pool = openReadPool(loginOf(product, 'read'));
  try {
    for await (const events of scanText(pool)) {
      const text = events.map(({ texts }) => JSON.stringify(texts)).join('\n');
      yield {
        source: { file: 'record', object: null, inGit: false, chunks: once(Buffer.from(text)) },
        name: (line) => `record, writer ${events[line - 1]?.writer}, event ${events[line - 1]?.seq}`,
      };
    }
  } finally {
    await pool.end();
  }
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

async function show(
  { findings, sources, more }: Found,
  folder: string,
  options: ScanOptions,
  stopped: ReadonlyMap<string, Given>,
): Promise<void> {
  if (process.stderr.isTTY) process.stderr.write('\r');
  const commits = options.history === true ? await commitsOf(findings, folder) : new Map<string, string>();
  if (options.sarif === true) return writeJson(sarifOf(findings, manifest.version));
  // The hook's words are for a person, wherever git sends them.
  if (options.json === true || (options.staged !== true && wantsJson(options)))
    return writeJson({
      findings: findings.map((finding) => ({
        ...finding,
        commit: commits.get(finding.object ?? '') ?? null,
      })),
      sources,
      more,
      ...(options.enforce === true ? { stopped: Object.fromEntries(stopped) } : {}),
    });
  for (const { rule, keyId, file, line, column, object } of findings) {
    const commit = commits.get(object ?? '')?.slice(0, 12);
    const where = `${printed(file)}:${line}:${column}`;
    process.stdout.write(
      `${where}  ${rule}${keyId === null ? '' : `  ${keyId}`}${commit === undefined ? '' : `  since commit ${commit}`}\n`,
    );
  }
  process.stdout.write(`${advice(findings, sources, more, options).join('\n')}\n`);
}

const ASKED_OF_GIT = 50;

async function commitsOf(findings: readonly Finding[], folder: string): Promise<ReadonlyMap<string, string>> {
  const commits = new Map<string, string>();
  const objects = [...new Set(findings.flatMap(({ object }) => object ?? []))].slice(0, ASKED_OF_GIT);
  for (const object of objects) {
    const commit = await introducedBy(folder, object);
    if (commit !== null) commits.set(object, commit);
  }
  return commits;
}

function advice(
  findings: readonly Finding[],
  sources: number,
  more: boolean,
  options: ScanOptions,
): readonly string[] {
  const looked = `${sources} ${sources === 1 ? 'source' : 'sources'} looked at`;
  if (findings.length === 0) return [`Nothing found: ${looked}.`];
  const known = [...new Set(findings.flatMap(({ keyId }) => keyId ?? []))];
  const rules = [...new Set(findings.map(({ rule }) => rule))];
  return [
    '',
    `${findings.length}${more ? ' and more' : ''} found, ${looked}.`,
    ...rules.flatMap((rule) =>
      // as: looked at just before
      Object.hasOwn(RULES, rule) ? [`  ${rule}: ${RULES[rule as keyof typeof RULES]}`] : [],
    ),
    ...known.map(
      (id) =>
        `  ${id} is out.${options.enforce === true ? '' : ` Stop calls with it: ideogate kill --key ${id} --reason leaked.`} Replace it: ideogate keys rotate --for SLOT (its slot: ideogate keys list), then revoke it at Ideogram.`,
    ),
    ...(options.staged === true
      ? ['Nothing was committed. Take it out of the index: git restore --staged FILE']
      : []),
  ];
}
