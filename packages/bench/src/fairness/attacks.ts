import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { AnswerReader } from './answers.ts';
import {
  denseJson,
  drippingJson,
  drippingUpload,
  drippingWebhook,
  forged,
  heldJson,
  models,
  type RequestParts,
  requestBytes,
  slowPicture,
  tokenRequest,
} from './requests.ts';
import type { Tally } from './tally.ts';

/** What an attack is given: where the gateway and the issuer are, and a caller's own credentials. Loopback only. */
export interface AttackScene {
  readonly gatewayPort: number;
  readonly issuerPort: number;
  readonly client: { readonly id: string; readonly secret: string };
  readonly token: string;
}

export interface Attack {
  /** In a few words, for the table. */
  readonly what: string;
  /** Goes on until it is told to end. */
  readonly run: (scene: AttackScene, seen: Tally, until: AbortSignal) => Promise<void>;
}

/** One address would be one peer, and may hold 1,000 connections. */
const ATTACKERS: readonly string[] = ['127.0.0.3', '127.0.0.4', '127.0.0.5', '127.0.0.6'];
/** The peer address that both an attacker and its neighbour have behind one proxy. */
export const PROXY = '127.0.0.9';

const DRIP_EVERY_MS = 5000;
/** Of one who is refused or cut off and comes again. */
const AGAIN_AFTER_MS = 250;
/** Requests of a flood a second, in all: as many as the two cores of a small machine can make without starving what they attack. */
const FLOOD_PER_SECOND = 1000;
const FLOOD_CONNECTIONS = 32;

export const ATTACKS = {
  'dripping JSON': {
    what: '1,100 JSON bodies that come a byte in five seconds',
    run: (scene, seen, until) => hold(scene.gatewayPort, 1100, () => drippingJson(scene.token), seen, until),
  },
  '128 dripping uploads': {
    what: '128 uploads that come a byte in five seconds',
    run: (scene, seen, until) => hold(scene.gatewayPort, 128, () => drippingUpload(scene.token), seen, until),
  },
  '600 dripping uploads': {
    what: '600 uploads that come a byte in five seconds',
    run: (scene, seen, until) => hold(scene.gatewayPort, 600, () => drippingUpload(scene.token), seen, until),
  },
  'slow pictures': {
    what: '500 pictures at once, each ten seconds in the making',
    run: (scene, seen, until) => {
      const request = bytesFor(scene.gatewayPort, slowPicture(scene.token, 10_000));
      return repeat(scene.gatewayPort, { connections: 500, request: () => request }, seen, until);
    },
  },
  'dense JSON': {
    what: 'ten bodies of 1 MiB of {}, at once, again and again',
    run: (scene, seen, until) => {
      const request = bytesFor(scene.gatewayPort, denseJson(scene.token));
      return repeat(scene.gatewayPort, { connections: 10, request: () => request }, seen, until);
    },
  },
  'held bodies': {
    what: '900 bodies of 1 MiB that lack their last byte',
    run: (scene, seen, until) => {
      const parts = heldJson(scene.token);
      return hold(scene.gatewayPort, 900, () => parts, seen, until, 'silent');
    },
  },
  'issuer flood, good client': {
    what: '1,000 tokens a second asked for with the right secret',
    run: ({ issuerPort, client }, seen, until) =>
      flood(issuerPort, tokenRequest(client.id, client.secret), seen, until),
  },
  'issuer flood, wrong secret': {
    what: '1,000 tokens a second asked for with a wrong secret',
    run: ({ issuerPort, client }, seen, until) =>
      flood(issuerPort, tokenRequest(client.id, 'x'.repeat(client.secret.length)), seen, until),
  },
  'junk tokens': {
    what: '1,000 calls a second whose token has a known key id and a wrong signature',
    run: ({ gatewayPort, token }, seen, until) => flood(gatewayPort, models(forged(token)), seen, until),
  },
  'pipelined slow reads': {
    what: '100 connections with 200 GETs each, of whose answers a byte a second is read',
    run: (scene, seen, until) => readSlowly(scene, 100, 200, seen, until),
  },
  'dripping webhooks': {
    what: '300 webhooks that come a byte in five seconds',
    run: ({ gatewayPort }, seen, until) => {
      let count = 0;
      return hold(gatewayPort, 300, () => drippingWebhook(`drip-${count++}`, Date.now()), seen, until);
    },
  },
  'behind one proxy': {
    what: '1,000 calls a second without a token, through the proxy that its neighbour comes through',
    run: ({ gatewayPort }, seen, until) => {
      const through = (at: number) => ({
        path: '/models',
        fields: { 'X-Forwarded-For': `203.0.113.${1 + (at % 4)}` },
      });
      const requests = [0, 1, 2, 3].map((at) => bytesFor(gatewayPort, through(at)));
      const request = (at: number) => requests[at % 4] ?? Buffer.alloc(0);
      const shape = { connections: FLOOD_CONNECTIONS, request, perSecond: FLOOD_PER_SECOND, from: [PROXY] };
      return repeat(gatewayPort, shape, seen, until);
    },
  },
} as const satisfies Record<string, Attack>;

export type AttackName = keyof typeof ATTACKS;

function bytesFor(port: number, parts: RequestParts): Buffer {
  return requestBytes(`127.0.0.1:${port}`, parts);
}

function flood(port: number, parts: RequestParts, seen: Tally, until: AbortSignal): Promise<void> {
  const request = bytesFor(port, parts);
  return repeat(
    port,
    { connections: FLOOD_CONNECTIONS, request: () => request, perSecond: FLOOD_PER_SECOND },
    seen,
    until,
  );
}

/** Connections that send what they have, then a byte now and then or nothing; refused or cut off they come again. */
async function hold(
  port: number,
  connections: number,
  request: () => RequestParts,
  seen: Tally,
  until: AbortSignal,
  manner: 'drips' | 'silent' = 'drips',
): Promise<void> {
  const one = async (number: number) => {
    while (!until.aborted) {
      const socket = open(port, sourceOf(number));
      socket.write(bytesFor(port, request()));
      const drip = manner === 'silent' ? undefined : setInterval(() => socket.write('a'), DRIP_EVERY_MS);
      const end = await firstWordOf(socket, until);
      clearInterval(drip);
      socket.destroy();
      seen.add(end);
      await pause(AGAIN_AFTER_MS, until);
    }
  };
  await Promise.all(Array.from({ length: connections }, (_, number) => one(number)));
}

/** What a held connection is told: a status, or how it ended. */
function firstWordOf(socket: Socket, until: AbortSignal): Promise<string> {
  return new Promise((resolve) => {
    const held = () => resolve('held to the end');
    until.addEventListener('abort', held, { once: true });
    const tell = (word: string) => {
      until.removeEventListener('abort', held);
      resolve(word);
    };
    socket.once('data', (chunk: Buffer) => tell(chunk.toString('latin1', 9, 12)));
    socket.once('error', (error: NodeJS.ErrnoException) => tell(error.code ?? 'error'));
    socket.once('close', () => tell('closed'));
  });
}

interface Repetition {
  readonly connections: number;
  readonly request: (connection: number) => Buffer;
  /** In all; without it each connection asks again as soon as it is answered. */
  readonly perSecond?: number;
  readonly from?: readonly string[];
}

/** Connections that ask again and again, one request after the other. */
async function repeat(port: number, shape: Repetition, seen: Tally, until: AbortSignal): Promise<void> {
  const { connections, request, perSecond, from = ATTACKERS } = shape;
  const turn = pacer(perSecond);
  const one = async (number: number) => {
    while (!until.aborted) {
      const socket = open(port, from[number % from.length] ?? '');
      const reader = new AnswerReader();
      let alive = true;
      while (alive && !until.aborted) {
        await turn(until);
        if (until.aborted) break;
        socket.write(request(number));
        const answer = await wholeAnswerOn(socket, reader, until);
        seen.add(typeof answer === 'string' ? answer : String(answer.status));
        alive = typeof answer !== 'string' && !answer.closes;
      }
      socket.destroy();
      if (perSecond === undefined) await pause(0, until);
    }
  };
  await Promise.all(Array.from({ length: connections }, (_, number) => one(number)));
}

/** The next whole answer, or how the connection ended without one. */
function wholeAnswerOn(socket: Socket, reader: AnswerReader, until: AbortSignal) {
  return new Promise<{ status: number; closes: boolean } | string>((resolve) => {
    const tell = (what: { status: number; closes: boolean } | string) => {
      socket.off('data', onData);
      socket.off('error', onError);
      socket.off('close', onClose);
      until.removeEventListener('abort', onEnd);
      resolve(what);
    };
    const onData = (chunk: Buffer) => {
      const [answer] = reader.take(chunk);
      if (answer !== undefined) tell(answer);
    };
    const onError = (error: NodeJS.ErrnoException) => tell(error.code ?? 'error');
    const onClose = () => tell('closed');
    const onEnd = () => tell('open at the end');
    if (socket.destroyed) {
      resolve('closed');
      return;
    }
    socket.on('data', onData);
    socket.on('error', onError);
    socket.on('close', onClose);
    until.addEventListener('abort', onEnd);
  });
}

/** Pipelines requests, and reads a byte a second of what comes back: into a buffer of one byte, so that no more is taken. */
async function readSlowly(
  { gatewayPort, token }: AttackScene,
  connections: number,
  requests: number,
  seen: Tally,
  until: AbortSignal,
): Promise<void> {
  const fields = { 'Api-Key': token };
  const both = [models(token), { path: '/-/whoami', fields }].map((parts) => bytesFor(gatewayPort, parts));
  const pipeline = Buffer.concat(Array.from({ length: requests / 2 }, () => both).flat());
  const one = async (number: number) => {
    while (!until.aborted) {
      const socket = connect({
        host: '127.0.0.1',
        port: gatewayPort,
        localAddress: sourceOf(number),
        onread: { buffer: Buffer.alloc(1), callback: () => false },
      });
      socket.write(pipeline);
      const ended = new Promise<string>((resolve) => {
        socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'));
        socket.once('close', () => resolve('closed'));
        until.addEventListener('abort', () => resolve('held to the end'), { once: true });
      });
      const read = setInterval(() => socket.resume(), 1000);
      seen.add(await ended);
      clearInterval(read);
      socket.destroy();
      await pause(AGAIN_AFTER_MS, until);
    }
  };
  await Promise.all(Array.from({ length: connections }, (_, number) => one(number)));
}

function sourceOf(number: number): string {
  return ATTACKERS[number % ATTACKERS.length] ?? '';
}

function open(port: number, from: string): Socket {
  const socket = connect({ host: '127.0.0.1', port, localAddress: from, noDelay: true });
  // Heard by whoever waits for an answer; without any listener Node would end the process.
  socket.on('error', () => undefined);
  return socket;
}

/** Lets through so many a second, evenly; without a number, all. */
function pacer(perSecond: number | undefined): (until: AbortSignal) => Promise<void> {
  if (perSecond === undefined) return async () => undefined;
  const began = performance.now();
  let given = 0;
  return async (until) => {
    const due = began + (given++ / perSecond) * 1000;
    const wait = due - performance.now();
    if (wait > 1) await pause(wait, until);
  };
}

async function pause(milliseconds: number, until: AbortSignal): Promise<void> {
  await delay(milliseconds, undefined, { signal: until }).catch(() => undefined); // why: told to end, it ends
}
