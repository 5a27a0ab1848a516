import type { IncomingHttpHeaders } from 'node:http';
import { type LeavingServer, startLeavingServer } from './leaving-server.ts';

/** An HTTP address that takes the record, as long as it is told to. */
export interface Consumer extends Pick<LeavingServer, 'stop' | 'start'> {
  readonly url: string;
  /** Every line it ever took over, in their order. */
  readonly lines: readonly string[];
  /** Of each delivery, how many lines. */
  readonly deliveries: readonly number[];
  readonly headers: readonly IncomingHttpHeaders[];
  /**
   * What it does from now on: take over; refuse; take over and let the answer be lost; take no more than so many lines
   * at once.
   */
  behave(how: 'takes' | 'refuses' | 'loses-its-answer' | number): void;
}

export async function startConsumer(): Promise<Consumer> {
  const lines: string[] = [];
  const deliveries: number[] = [];
  const headers: IncomingHttpHeaders[] = [];
  let behaviour: 'takes' | 'refuses' | 'loses-its-answer' | number = 'takes';
  const { origin, stop, start } = await startLeavingServer((request, body, response) => {
    const given = body.toString().split('\n').slice(0, -1);
    headers.push(request.headers);
    if (behaviour === 'refuses') return void response.writeHead(503).end();
    if (typeof behaviour === 'number' && given.length > behaviour) return void response.writeHead(413).end();
    lines.push(...given);
    deliveries.push(given.length);
    if (behaviour === 'loses-its-answer') return void request.socket.destroy();
    response.writeHead(204).end();
  });
  return {
    url: `${origin}/events`,
    lines,
    deliveries,
    headers,
    behave: (how) => {
      behaviour = how;
    },
    stop,
    start,
  };
}

/** The events among the lines of an export, as `writer seq`. */
export function eventsIn(lines: readonly string[]): readonly string[] {
  return lines.flatMap((line) => {
    const { writer, seq } = JSON.parse(line) as { writer?: string; seq?: string }; // as: members of a line that is an event
    return writer === undefined || seq === undefined ? [] : [`${writer} ${seq}`];
  });
}
