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
  /** Resets every connection now (RST, not a goodbye); new ones are let through. */
  reset(): void;
  /**
   * Waits for the next bytes from a caller that hold `mark`, and does this to them. Resolves once it is done: they
   * were passed on, or swallowed, or the first of their answer was. A connection on which something was swallowed
   * stays open and lets nothing more through in that direction.
   */
  atNext(mark: Buffer, fate: Fate): Promise<void>;
  /** Delays every answer by this many milliseconds from now on. */
  delayAnswers(milliseconds: number): void;
  /** A network as it should be; what was held back while frozen goes on, what was swallowed doesn't. */
  restore(): void;
  /** Bytes swallowed so far. */
  swallowed(): number;
  close(): Promise<void>;
}

/** What becomes of a question: it and its answer pass, it never arrives, or it arrives and its answer doesn't. */
export type Fate = 'pass' | 'swallow-question' | 'swallow-answer';

interface Pair {
  readonly near: Socket;
  readonly far: Socket;
  /** What is let through no more. */
  silent: 'questions' | 'answers' | null;
  /** Told of the first answer that is swallowed. */
  onSwallowed: () => void;
}

interface Trap {
  readonly mark: Buffer;
  readonly fate: Fate;
  readonly sprung: () => void;
}

type Mode = 'open' | 'cut' | 'frozen' | 'swallowing';

/** Starts a relay before the server that a URL names. @returns the relay, and the URL of the way through it */
export async function relayTo(url: string): Promise<{ readonly relay: Relay; readonly url: string }> {
  const { hostname, port } = new URL(url);
  const relay = await startRelay({ host: hostname, port: Number(port) });
  const through = Object.assign(new URL(url), { hostname: '127.0.0.1', port: String(relay.port) });
  return { relay, url: through.href };
}

/** Starts a relay on a free loopback port. */
export async function startRelay(target: { readonly host: string; readonly port: number }): Promise<Relay> {
  let mode: Mode = 'open';
  let delay = 0;
  let swallowed = 0;
  const pairs = new Set<Pair>();
  const traps = new Set<Trap>();

  const spring = (trap: Trap, pair: Pair): void => {
    traps.delete(trap);
    if (trap.fate === 'swallow-question') pair.silent = 'questions';
    if (trap.fate === 'swallow-answer') {
      pair.silent = 'answers';
      pair.onSwallowed = trap.sprung;
    } else trap.sprung();
  };
  const server = createServer((near) => {
    if (mode === 'cut') {
      near.destroy();
      return;
    }
    const far = connect(target);
    const pair: Pair = { near, far, silent: null, onSwallowed: () => undefined };
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
    near.on('data', (bytes: Buffer) => {
      const trap = pair.silent === null && [...traps].find(({ mark }) => bytes.includes(mark));
      if (trap) spring(trap, pair);
      if (pair.silent !== 'questions') far.write(bytes);
    });
    far.on('data', (bytes) => {
      if (pair.silent === 'answers') pair.onSwallowed();
      if (mode === 'swallowing' || pair.silent !== null) swallowed += bytes.length;
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
    reset: () => {
      for (const { near, far } of pairs) {
        near.resetAndDestroy();
        far.resetAndDestroy();
      }
    },
    atNext: (mark, fate) =>
      new Promise((resolve) => {
        traps.add({ mark, fate, sprung: resolve });
      }),
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
