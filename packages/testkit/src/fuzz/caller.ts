import { connect } from 'node:net';
import type { FuzzCase } from './cases.ts';
import { type ReadAnswer, readAnswer, readRequests } from './http-reader.ts';
import type { Mint } from './tokens.ts';

/** A case as it was played: what went out, and what came back. */
export interface Played {
  readonly case: FuzzCase;
  readonly number: number;
  /** Loopback address the caller came from: every case has one of its own, by which its rows are found. */
  readonly address: string;
  /** The bytes that were sent, tokens and all. */
  readonly sent: string;
  /** The oracle's reading of them. */
  readonly read: ReturnType<typeof readRequests>;
  /** Before anything was sent: `performance.now()`. */
  readonly began: number;
  /** All but interim ones. */
  readonly answers: readonly ReadAnswer[];
  /** Everything that came back. */
  readonly heard: string;
  /** Bytes behind the last answer that can be read. */
  readonly surplus: string;
  /** The caller ended the connection before the gateway could say all it had to. */
  readonly left: boolean;
  /** Nothing had happened for too long. */
  readonly hung: boolean;
  readonly endedAt: number;
}

/**
 * Longer than every time limit of the gateway under test, and than sixty requests on one connection may take: they are served
 * one at a time, each refusal after its row.
 */
const BOUND_MS = 30_000;

/** The bytes of a case, with its tokens and its number in place, cut to what is sent. */
function bytesOf(one: FuzzCase, number: number, mint: Mint): string {
  const text = one.bytes
    .replaceAll(
      /\{\{([a-z]+):([A-Za-z0-9-]*):(\d+)\}\}/g,
      (whole, subject: string, slip: string, vary: string) =>
        subject === 'case' ? whole : mint.token(subject, slip === '' ? undefined : slip, Number(vary)),
    )
    .replaceAll('{{case}}', String(number));
  return one.stop === undefined ? text : text.slice(0, one.stop % (text.length + 1));
}

/** A case about to be played. */
export type Playing = Pick<Played, 'case' | 'number' | 'address' | 'sent' | 'read' | 'began'>;

export function prepare(one: FuzzCase, number: number, address: string, mint: Mint): Playing {
  const sent = bytesOf(one, number, mint);
  return { case: one, number, address, sent, read: readRequests(sent), began: performance.now() };
}

/** Plays a case on a connection of its own. Never rejects. */
export function play(playing: Playing, port: number): Promise<Played> {
  const { case: one, sent, read, address } = playing;
  const awaited = read.requests.length + (read.rest === 'broken' ? 1 : 0);
  const methods = [...read.requests.map((request) => request.method), read.restLine[0]];
  return new Promise((resolve) => {
    let heard = '';
    let left = false;
    let hung = false;
    const socket = connect({ port, host: '127.0.0.1', localAddress: address });
    const bound = setTimeout(() => {
      hung = true;
      socket.destroy();
    }, BOUND_MS);
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.once('close', () => {
      clearTimeout(bound);
      const { answers, surplus } = readAnswers(heard, methods);
      const endedAt = performance.now();
      resolve({ ...playing, answers, heard, surplus, left, hung, endedAt });
    });
    socket.on('data', (chunk: Buffer) => {
      heard += chunk.toString('latin1');
      if (one.leave === 'reset-on-answer') reset();
      else if (one.leave === 'answers') leaveWhenServed();
    });
    socket.once('connect', () => write(piecesOf(sent, one.cuts), 0));

    function write(pieces: readonly string[], index: number): void {
      if (socket.destroyed) return;
      const piece = pieces[index];
      if (piece === undefined) {
        sentAll();
        return;
      }
      socket.write(piece, 'latin1');
      // A turn of the loop between two writes: the gateway, in the same process, reads each one on its own.
      setImmediate(() => write(pieces, index + 1));
    }

    function sentAll(): void {
      if (one.leave === 'half-close') socket.end();
      else if (one.leave === 'reset') reset();
      else if (one.leave === 'answers') leaveWhenServed();
    }

    function leaveWhenServed(): void {
      if (!socket.writable) return;
      if (awaited > 0 && readAnswers(heard, methods).answers.length < awaited) return;
      socket.end();
    }

    function reset(): void {
      left = true;
      if (socket.writableLength === 0) socket.resetAndDestroy();
      else socket.once('drain', () => socket.resetAndDestroy());
    }
  });
}

function piecesOf(text: string, cuts: readonly number[]): readonly string[] {
  if (text === '') return [];
  const places = [...new Set(cuts.map((cut) => cut % text.length))]
    .filter((at) => at > 0)
    .sort((a, b) => a - b);
  return [0, ...places].map((from, index) => text.slice(from, places[index]));
}

function readAnswers(
  heard: string,
  methods: readonly string[],
): { readonly answers: readonly ReadAnswer[]; readonly surplus: string } {
  const answers: ReadAnswer[] = [];
  let at = 0;
  while (at < heard.length) {
    const head = methods[answers.length] === 'HEAD';
    const read = readAnswer(heard, at, (status) => head || status < 200 || status === 204 || status === 304);
    if (typeof read === 'string') break;
    if (read.status >= 200) answers.push(read);
    at = read.end;
  }
  return { answers, surplus: heard.slice(at) };
}
