import { chmodSync, lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { type Kill, parseKill } from './kill.ts';

/*
 * How kills come straight to a gateway, whatever becomes of its database: a Unix socket in a folder that only its owner
 * may enter. One line of JSON asks, one answers: `{"entries": […]}` gives kills (none asks), `{"instance", "entries",
 * "peers"}` is what the gateway then has on its disk, and which gateways it knows of.
 */

const MAX_LINE = 4 * 1024 * 1024;
/** A path of a Unix socket fits `sun_path` of the smallest system, with its NUL. */
const MAX_PATH = 103;
const ANSWER_MS = 3_000;
const YOUNG_MS = 10_000;

/** The control socket cannot be served safely, or what came over it is not understood; the message says what to do. */
export class ControlError extends Error {
  override readonly name = 'ControlError';
}

/**
 * @param take has kills obeyed and on the disk when it returns
 * @throws ControlError
 */
export async function serveControl(
  folder: string,
  gateway: { readonly instance: string; readonly name: string; readonly peers: () => readonly string[] },
  take: (kills: readonly Kill[]) => readonly Kill[],
): Promise<{ close(): Promise<void> }> {
  const path = join(folder, `${gateway.name}.sock`);
  if (Buffer.byteLength(path) > MAX_PATH)
    throw new ControlError(
      `${path} is too long for a socket (${MAX_PATH} bytes): name a shorter folder in IDEOGATE_CONTROL_DIR`,
    );
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  requirePrivate(folder);
  rmSync(path, { force: true });
  await clearAway(folder);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    // Whatever fails, a full disk among it, the socket closes without an answer: nothing is confirmed.
    readLine(socket)
      .then((line) => {
        const kills = take(killsIn(line));
        const said = { instance: gateway.instance, entries: kills, peers: gateway.peers() };
        socket.end(`${JSON.stringify(said)}\n`);
      })
      .catch(() => socket.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  chmodSync(path, 0o600);
  return {
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => {
          rmSync(path, { force: true });
          resolve();
        });
      }),
  };
}

/** Whoever may enter the folder may stop calls: that is its owner alone. */
function requirePrivate(folder: string): void {
  const { mode, uid } = lstatSync(folder);
  if ((mode & 0o077) !== 0 || (process.getuid !== undefined && uid !== process.getuid()))
    throw new ControlError(
      `${folder} must be a folder of the user who runs this, that nobody else may enter: chmod 700, or name another in IDEOGATE_CONTROL_DIR`,
    );
}

/** Takes away the sockets of gateways that were killed. One this young may be about to be listened on. */
async function clearAway(folder: string): Promise<void> {
  for (const path of socketsIn(folder)) {
    const made = lstatSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Number.POSITIVE_INFINITY;
    if (Date.now() - made > YOUNG_MS && (await tellOne(path, [])) === null) rmSync(path, { force: true });
  }
}

function socketsIn(folder: string): readonly string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.sock'))
    .map((name) => join(folder, name));
}

/** What a gateway said: what it has on its disk, or why it said nothing. */
export type ControlAnswer =
  | {
      readonly socket: string;
      readonly instance: string;
      readonly kills: readonly Kill[];
      readonly peers: readonly string[];
    }
  | { readonly socket: string; readonly fault: string };

/**
 * Gives kills to every gateway whose socket is in the folder, all at once. A socket that nobody listens on any more is
 * a gateway that is gone: it has no answer. In a folder that somebody else may enter, anybody may answer: nobody is asked.
 */
export async function tellGateways(
  folder: string,
  kills: readonly Kill[],
): Promise<readonly ControlAnswer[]> {
  let sockets: readonly string[];
  try {
    requirePrivate(folder);
    sockets = socketsIn(folder);
  } catch (error) {
    if (error instanceof ControlError) return [{ socket: folder, fault: error.message }];
    // No gateway of this machine ever ran.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
  const answers = await Promise.all(sockets.map((socket) => tellOne(socket, kills)));
  return answers.filter((answer) => answer !== null);
}

async function tellOne(path: string, kills: readonly Kill[]): Promise<ControlAnswer | null> {
  const socket = createConnection(path);
  try {
    const bound = setTimeout(() => socket.destroy(new Error('no answer')), ANSWER_MS);
    socket.write(`${JSON.stringify({ entries: kills })}\n`);
    const line = await readLine(socket).finally(() => clearTimeout(bound));
    const { instance, peers } = JSON.parse(line) as { instance?: unknown; peers?: unknown }; // as: looked at here
    if (typeof instance !== 'string' || !Array.isArray(peers))
      return { socket: path, fault: 'no answer that is understood' };
    return { socket: path, instance, kills: killsIn(line), peers: peers.map(String) };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ECONNREFUSED' || code === 'ENOENT') return null;
    return { socket: path, fault: typeof code === 'string' ? code : 'no answer' };
  } finally {
    socket.destroy();
  }
}

/** @throws when the socket ends or fails first, or the line is too long */
function readLine(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      text += chunk;
      const end = text.indexOf('\n');
      if (end !== -1) resolve(text.slice(0, end));
      else if (text.length > MAX_LINE) reject(new Error('the line is too long'));
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed')));
  });
}

/** @throws when one of them is none: half of what was given is not obeyed, nor confirmed */
function killsIn(line: string): readonly Kill[] {
  const value = JSON.parse(line) as { entries?: unknown }; // as: looked at here
  if (!Array.isArray(value.entries)) throw new ControlError('there are no entries');
  return value.entries.map((one) => {
    const kill = parseKill(one);
    if (kill === null) throw new ControlError('an entry is not understood');
    return kill;
  });
}
