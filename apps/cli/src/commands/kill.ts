import { randomUUID } from 'node:crypto';
import { ENVIRONMENTS, errorCode, isEnvironmentName } from '@ideogate/contract';
import { controlDir, currentUser, dataDir, isRunning } from '@ideogate/data-dir';
import { isKeyId } from '@ideogate/upstream-keys/key-id';
import type { KillStore } from '@ideogate/kill-switch';
import {
  activeKills,
  type ControlAnswer,
  type Kill,
  type KillKind,
  nameOfKill,
  tellGateways,
} from '@ideogate/kill-switch/control';
import { setTimeout as delay } from 'node:timers/promises';
import type { Settings } from '@ideogate/config';
import { CommandError, EXIT } from '../exit-codes.ts';
import { describeError } from '../describe-error.ts';
import { loginOf, runningProduct } from '../running-product.ts';
import { printed, wantsJson, writeJson } from '../terminal.ts';

/** Flags of `ideogate kill`. */
export interface KillOptions {
  readonly key?: string;
  readonly caller?: string;
  readonly environment?: string;
  readonly reason: string;
  readonly json?: boolean;
}

/** What became of kills or lifts. */
export interface Given {
  readonly confirmed: readonly string[];
  /** Gateways that did not confirm, and why. */
  readonly silent: readonly string[];
  /** Null when the database took them. */
  readonly database: string | null;
}

/** Stops calls at once: the order goes straight to the gateways of this machine, and to the database for all others. */
export async function kill(settings: Settings, options: KillOptions): Promise<number> {
  const { kind, target } = readTarget(options);
  requireStoppable(kind, target);
  const order = newKill(kind, target, readReason(options.reason));
  const given = await give(settings, [order]);
  return report(given, options, [order], `Calls of ${kind} ${printed(target)} are stopped`);
}

/** As `kill --key`, for a command that tells what became of it in words of its own. */
export function killKey(settings: Settings, keyId: string, reason: string): Promise<Given> {
  return give(settings, [newKill('key', keyId, readReason(reason))]);
}

function newKill(kind: KillKind, target: string, reason: string): Kill {
  const at = new Date().toISOString();
  return { id: randomUUID(), what: 'kill', kind, target, reason, who: currentUser(), at };
}

/** Lifts every kill of this target. */
export async function lift(settings: Settings, options: KillOptions): Promise<number> {
  const { kind, target } = readTarget(options);
  const reason = readReason(options.reason);
  const known = (await knownKills(settings)).filter((each) => each.kind === kind && each.target === target);
  const lifts = activeKills(known).map(
    (active): Kill => ({
      ...active,
      what: 'revive',
      reason,
      who: currentUser(),
      at: new Date().toISOString(),
    }),
  );
  if (lifts.length === 0)
    throw new CommandError(EXIT.invalidInput, `No order stops ${kind} ${printed(target)}: see kills.`);
  // What one gateway knows and another does not must reach both.
  const given = await give(settings, [...known, ...lifts]);
  return report(given, options, lifts, `Calls of ${kind} ${printed(target)} go on`);
}

/** Lists the active kills. */
export async function kills(settings: Settings, options: { json?: boolean }): Promise<number> {
  const active = activeKills(await knownKills(settings));
  if (wantsJson(options)) writeJson(active);
  else
    process.stdout.write(
      active.length === 0
        ? 'No order stops any call.\n'
        : active
            .map(
              ({ kind, target, who, at, reason }) => `${kind} ${target}, since ${at}, by ${who}: ${reason}`,
            )
            .map((line) => `${printed(line)}\n`)
            .join(''),
    );
  return EXIT.fine;
}

const SOCKETS_FIRST_MS = 150;
const FOLLOW_MS = 2_000;
const LOOK_MS = 50;

/** First the sockets, which need no database; then the database, for gateways of other machines and for those to come. */
async function give(settings: Settings, given: readonly Kill[]): Promise<Given> {
  const answers = tellGateways(controlDir(settings), given);
  // Loading a client of databases would hold the sockets up; a gateway that stands still must not hold up the database.
  await Promise.race([answers, delay(SOCKETS_FIRST_MS)]);
  const stored = storeKills(settings, given);
  const told = await answers;
  const names = new Set(given.map(nameOfKill));
  const confirmed = new Set<string>();
  const silent: string[] = [];
  for (const answer of told) {
    if ('fault' in answer) silent.push(`${answer.socket} (${answer.fault})`);
    else if (isWhole(answer, names)) confirmed.add(answer.instance);
    else silent.push(`${answer.instance} (it did not take all of it)`);
  }
  const { fault, gateways } = await stored;
  // Nobody asks the database now: these gateways it had when it last answered one of those that did.
  if (fault !== null) {
    const peers = told.flatMap((answer) => ('fault' in answer ? [] : answer.peers));
    for (const peer of new Set(peers)) if (!confirmed.has(peer)) silent.push(`${peer}, of another machine`);
  }
  for (const { instance, followed } of gateways) {
    if (followed) confirmed.add(instance);
    else if (!confirmed.has(instance)) silent.push(instance);
  }
  return { confirmed: [...confirmed].toSorted(), silent, database: fault };
}

function isWhole(answer: ControlAnswer, names: ReadonlySet<string>): boolean {
  if ('fault' in answer) return false;
  const has = new Set(answer.kills.map(nameOfKill));
  return [...names].every((name) => has.has(name));
}

/** Loaded only now: the sockets have the kill by then. */
async function openStore(settings: Settings): Promise<KillStore> {
  const { openKillStore } = await import('@ideogate/kill-switch');
  return openKillStore(loginOf(runningProduct(settings), 'keys-put'));
}

async function storeKills(
  settings: Settings,
  given: readonly Kill[],
): Promise<{ fault: string | null; gateways: readonly { instance: string; followed: boolean }[] }> {
  let store: KillStore | undefined;
  try {
    store = await openStore(settings);
    const last = await store.put(given);
    const until = performance.now() + FOLLOW_MS;
    for (;;) {
      const gateways = (await store.gateways()).map(({ instance, followed }) => ({
        instance,
        followed: followed >= last,
      }));
      if (gateways.every(({ followed }) => followed) || performance.now() > until)
        return { fault: null, gateways };
      await delay(LOOK_MS);
    }
  } catch (error) {
    return { fault: describeError(error)?.message ?? errorCode(error), gateways: [] };
  } finally {
    await store?.end();
  }
}

/** All that gateways of this machine and the database know. */
async function knownKills(settings: Settings): Promise<readonly Kill[]> {
  const known = new Map<string, Kill>();
  for (const answer of await tellGateways(controlDir(settings), []))
    if ('kills' in answer) for (const one of answer.kills) known.set(nameOfKill(one), one);
  if (!isRunning(dataDir(settings))) return [...known.values()];
  let store: KillStore | undefined;
  try {
    store = await openStore(settings);
    for (const one of await store.kills()) known.set(nameOfKill(one), one);
  } catch (error) {
    process.stderr.write(
      `The database cannot be asked (${errorCode(error)}): this is what gateways of this machine know.\n`,
    );
  } finally {
    await store?.end();
  }
  return [...known.values()];
}

function report(
  { confirmed, silent, database }: Given,
  options: { json?: boolean },
  given: readonly Kill[],
  done: string,
): number {
  if (wantsJson(options)) writeJson({ orders: given, confirmed, silent, database });
  else
    process.stdout.write(
      `${done}, on ${confirmed.length === 1 ? 'one gateway' : `${confirmed.length} gateways`}:${confirmed.map((name) => `\n  ${name}`).join('')}\n`,
    );
  for (const name of silent) process.stderr.write(`NOT CONFIRMED by ${name}: stop that gateway by hand.\n`);
  if (confirmed.length === 0 && silent.length === 0) process.stderr.write('No gateway runs here.\n');
  if (database !== null)
    process.stderr.write(
      `The database did not take it (${database}): gateways of other machines do not know. Those that confirmed tell it when it is back.\n`,
    );
  return silent.length > 0 || confirmed.length === 0 ? EXIT.failed : EXIT.fine;
}

function readTarget(options: KillOptions): { kind: KillKind; target: string } {
  const given = (['key', 'caller', 'environment'] as const).flatMap((kind) => {
    const target = options[kind];
    return target === undefined ? [] : [{ kind, target }];
  });
  const [one, ...others] = given;
  if (one === undefined || others.length > 0 || one.target === '' || one.target.length > 255)
    throw new CommandError(EXIT.invalidInput, 'Name one of --key, --caller and --environment.');
  return one;
}

/** An order for what cannot be stops nothing, and would be confirmed all the same. What was given is not shown: see `--key`. */
function requireStoppable(kind: KillKind, target: string): void {
  if (kind === 'key' && !isKeyId(target))
    throw new CommandError(EXIT.invalidInput, [
      '--key takes the id of a key: key_ and 16 hexadecimal digits, as keys list shows them. NOTHING WAS STOPPED.',
      'If it was the key itself: nothing was written down, but it stands in the history of this shell, and scan --stdin tells its id.',
    ]);
  if (kind === 'environment' && !isEnvironmentName(target))
    throw new CommandError(
      EXIT.invalidInput,
      `--environment takes one of ${ENVIRONMENTS.join(', ')}. NOTHING WAS STOPPED.`,
    );
  if (kind === 'caller' && target.trim() !== target)
    throw new CommandError(
      EXIT.invalidInput,
      '--caller takes the subject of a caller as tokens have it, without spaces around it. NOTHING WAS STOPPED.',
    );
}

function readReason(text: string): string {
  const reason = text.trim();
  if (reason.length >= 3 && reason.length <= 500) return reason;
  throw new CommandError(EXIT.invalidInput, '--reason says why, in 3 to 500 characters: it goes on record.');
}
