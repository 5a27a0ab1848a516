import type { Settings } from '@ideogate/config';
import { setFlagsFromString } from 'node:v8';
import { faultOf } from '@ideogate/contract';
import { pino } from 'pino';
import { EXIT } from '../exit-codes.ts';
import { startProduct } from '../standalone.ts';
import { printed } from '../terminal.ts';
import { unknownInWords } from '../unknown-settings.ts';

/** Runs the product until SIGINT or SIGTERM; returns when it has stopped in order. */
export async function start(settings: Settings): Promise<number> {
  let asked: () => void = () => undefined;
  const told = new Promise<void>((resolve) => {
    asked = resolve;
  });
  // From the first moment: a signal while things come up must not leave half of them running.
  process.on('SIGINT', asked);
  process.on('SIGTERM', asked);
  process.on('SIGHUP', asked);
  // Whoever read our output may be gone before us: no reason to fall over with Postgres still running.
  process.stdout.on('error', () => undefined);
  process.stderr.on('error', () => undefined);
  const log = pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime });
  let crashed = false;
  // Bodies are memory beside the heap, and V8 counts them in: of its own step, a third of a heap as small as this one, ten
  // megabytes of them begin a whole collection.
  setFlagsFromString('--heap-growing-percent=100');
  // Node would print the message and every member of the error, and any of them may hold a key or a token. What state
  // things are in nobody knows: calls in flight may end, then all of it stops.
  process.on('uncaughtException', (error) => {
    log.error({ error: faultOf(error) }, 'an error that nobody caught: Ideogate stops');
    if (crashed) process.exit(EXIT.failed);
    crashed = true;
    asked();
  });
  const product = await startProduct(settings, log).finally(() => {
    // A misspelt variable may be why it doesn't start.
    for (const line of unknownInWords(settings.unknown())) process.stderr.write(`${printed(line)}\n`);
  });
  process.stdout.write(`${product.banner}\n`);
  await told;
  process.stdout.write('Stopping: calls in flight may end first.\n');
  await product.stop();
  process.stdout.write('Stopped.\n');
  return crashed ? EXIT.failed : EXIT.fine;
}
