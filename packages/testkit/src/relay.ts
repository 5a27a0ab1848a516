import { connect, createServer, type Socket } from 'node:net';

/** A TCP relay in front of a real server, for the faults of a network: cut, silent, slow, one-way. */
export interface Relay {
  readonly port: number;
  /** Ends every connection now, and refuses new ones until `restore`. */
  cut(): void;
  /** Keeps connections open and lets nothing through, either way, until `restore`; new ones hang too. */
  freeze(): void;
  /** Lets through what callers send and swallows every answer, until `restore`. */
  swallowAnswers(): void;
  /** Delays every answer by this many milliseconds from now on. */
  delayAnswers(milliseconds: number): void;
  /** A network as it should be; what was held back while frozen goes on, what was swallowed doesn't. */
  restore(): void;
  /** Bytes swallowed so far. */
  swallowed(): number;
  close(): Promise<void>;
}

type Mode = 'open' | 'cut' | 'frozen' | 'swallowing';

/** Starts a relay on a free loopback port. */
export async function startRelay(target: { readonly host: string; readonly port: number }): Promise<Relay> {
  let mode: Mode = 'open';
  let delay = 0;
  let swallowed = 0;
  const pairs = new Set<{ near: Socket; far: Socket }>();

  const server = createServer((near) => {
    if (mode === 'cut') {
      near.destroy();
      return;
    }
    const far = connect(target);
    const pair = { near, far };
    pairs.add(pair);
    const end = (): void => {
      near.destroy();
      far.destroy();
      pairs.delete(pair);
    };
    for (const socket of [near, far]) {
      socket.setNoDelay(true);
      socket.on('error', end);
      socket.on('close', end);
      if (mode === 'frozen') socket.pause();
    }
    near.on('data', (bytes) => far.write(bytes));
    far.on('data', (bytes) => {
      if (mode === 'swallowing') swallowed += bytes.length;
      else if (delay === 0) near.write(bytes);
      else setTimeout(() => near.write(bytes), delay);
    });
  });

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the relay has no port');

  const endAll = (): void => {
    for (const { near, far } of pairs) {
      near.destroy();
      far.destroy();
    }
  };
  return {
    port: address.port,
    cut: () => {
      mode = 'cut';
      endAll();
    },
    freeze: () => {
      mode = 'frozen';
      for (const { near, far } of pairs) {
        near.pause();
        far.pause();
      }
    },
    swallowAnswers: () => {
      mode = 'swallowing';
    },
    delayAnswers: (milliseconds) => {
      delay = milliseconds;
    },
    restore: () => {
      mode = 'open';
      for (const { near, far } of pairs) {
        near.resume();
        far.resume();
      }
    },
    swallowed: () => swallowed,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        endAll();
      }),
  };
}
