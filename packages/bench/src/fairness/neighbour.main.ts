import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { parseWebhookSecret, signWebhook } from '@ideogate/webhook';
import { AnswerReader } from './answers.ts';
import { type RequestParts, requestBytes, WEBHOOK_PATH } from './requests.ts';
import { Tally } from './tally.ts';

/** One kind of request that the neighbour makes, so many a second, whether or not earlier ones have come back. */
export interface Habit {
  readonly kind: string;
  readonly port: number;
  readonly perSecond: number;
  readonly expects: number;
  /** What is sent; or the secret that a fresh webhook is signed with each time. */
  readonly sends: { readonly request: RequestParts } | { readonly webhookSecret: string };
}

export interface NeighbourOrder {
  readonly seconds: number;
  /** The address it comes from. */
  readonly from: string;
  readonly habits: readonly Habit[];
}

/** What one kind of request came to: milliseconds of those that were answered as expected, and what became of the others. */
export interface Observed {
  readonly kind: string;
  readonly milliseconds: readonly number[];
  readonly errors: Readonly<Record<string, number>>;
}

const TIMEOUT_MS = 10_000;

process.on('message', (order: NeighbourOrder) => {
  void Promise.all(order.habits.map((habit) => follow(habit, order))).then((observed) =>
    process.send?.(observed satisfies readonly Observed[]),
  );
});
process.on('disconnect', () => process.exit(0));

async function follow(habit: Habit, { seconds, from }: NeighbourOrder): Promise<Observed> {
  const milliseconds: number[] = [];
  const errors = new Tally();
  const asked: Promise<void>[] = [];
  const began = performance.now();
  for (let count = 0; count < habit.perSecond * seconds; count++) {
    const wait = began + (count / habit.perSecond) * 1000 - performance.now();
    if (wait > 0) await delay(wait);
    const sent = performance.now();
    const answer = ask(habit.port, from, bytesOf(habit)).then((word) => {
      if (word === String(habit.expects)) milliseconds.push(performance.now() - sent);
      else errors.add(word);
    });
    asked.push(answer);
  }
  await Promise.all(asked);
  return { kind: habit.kind, milliseconds, errors: errors.counts() };
}

function bytesOf({ port, sends }: Habit): Buffer {
  const parts = 'request' in sends ? sends.request : signedWebhook(sends.webhookSecret);
  const fields = { ...parts.fields, Connection: 'close' };
  return requestBytes(`127.0.0.1:${port}`, { ...parts, fields });
}

function signedWebhook(text: string): RequestParts {
  const secret = parseWebhookSecret('standard', text);
  if (secret === null) throw new Error('the secret of the webhooks is none');
  const id = randomUUID();
  const body = JSON.stringify({ generation_id: id });
  const fields = signWebhook({
    id,
    timestamp: Math.floor(Date.now() / 1000),
    body: Buffer.from(body),
    secrets: [secret],
  });
  return { method: 'POST', path: WEBHOOK_PATH, fields: { ...fields }, contentType: 'application/json', body };
}

/** Asks on a connection of its own; resolves with the status of a whole answer, or with how it ended without one. */
function ask(port: number, from: string, request: Buffer): Promise<string> {
  return new Promise((resolve) => {
    const reader = new AnswerReader();
    const socket = connect({ host: '127.0.0.1', port, localAddress: from, noDelay: true });
    const tell = (word: string) => {
      clearTimeout(timer);
      resolve(word);
      socket.destroy();
    };
    const timer = setTimeout(() => tell('timeout'), TIMEOUT_MS);
    socket.on('data', (chunk: Buffer) => {
      const [answer] = reader.take(chunk);
      if (answer !== undefined) tell(String(answer.status));
    });
    socket.on('error', (error: NodeJS.ErrnoException) => tell(error.code ?? 'error'));
    socket.on('close', () => tell('closed'));
    socket.write(request);
  });
}
