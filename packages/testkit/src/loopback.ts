import { isIP, Socket } from 'node:net';

/** A test was about to talk to another machine. */
export class NotLoopbackError extends Error {
  override readonly name = 'NotLoopbackError';
  /** As on a system error, so that code under test treats it as any failed connection. */
  readonly code = 'ENOTLOOPBACK';

  constructor(host: string) {
    super(`tests talk to this machine only, and ${host} isn't loopback`);
  }
}

/** Returns the URL if its host is this machine, by address or as `localhost`; throws `NotLoopbackError` otherwise. */
export function requireLoopback(url: string | URL): URL {
  const parsed = new URL(url);
  if (!isLoopback(parsed.hostname)) throw new NotLoopbackError(parsed.host);
  return parsed;
}

/**
 * Names are not resolved: one that leads here today may lead elsewhere tomorrow. `localhost` is loopback by
 * RFC 6761 section 6.3.
 */
export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[(.*)\]$/, '$1').toLowerCase();
  if (name === 'localhost' || name.endsWith('.localhost')) return true;
  switch (isIP(name)) {
    case 4:
      return name.startsWith('127.');
    case 6:
      return name === '::1' || name.startsWith('::ffff:127.') || name.startsWith('::ffff:7f');
    default:
      return false;
  }
}

/**
 * From now on a TCP connection of this process to any other machine fails with `NotLoopbackError` in the way of a
 * name that isn't found. `requireLoopback` is for addresses handed to other processes.
 */
export function refuseOtherMachines(): void {
  const original: unknown = Reflect.get(Socket.prototype, 'connect');
  if (typeof original !== 'function') throw new Error('net.Socket has no connect to guard');
  Reflect.set(Socket.prototype, 'connect', function connect(this: Socket, ...given: unknown[]): unknown {
    const host = hostOf(given);
    const refused = host === null || isLoopback(host) ? given : failingLookup(host, given);
    return Reflect.apply(original, this, refused);
  });
}

/** The host among the arguments of `Socket.connect` in any of its forms; null for a path, or none (then it is localhost). */
function hostOf(given: readonly unknown[]): string | null {
  const [first, second] = flat(given);
  if (typeof first === 'object' && first !== null) {
    if ('path' in first && typeof first.path === 'string') return null;
    return 'host' in first && typeof first.host === 'string' ? first.host : null;
  }
  return typeof second === 'string' ? second : null;
}

/** Arguments for a connection that fails when its name would be looked up: where every client expects failures. */
function failingLookup(host: string, given: readonly unknown[]): unknown[] {
  const [first] = flat(given);
  const lookup = (_name: string, _options: unknown, found: (error: Error) => void): void => {
    found(new NotLoopbackError(host));
  };
  const options = {
    ...(typeof first === 'object' ? first : { port: first }),
    host: 'refused.invalid',
    lookup,
  };
  return [options, ...flat(given).filter((value) => typeof value === 'function')];
}

/** net.connect() passes its own form on: one array of [options, callback]. */
function flat(given: readonly unknown[]): readonly unknown[] {
  return Array.isArray(given[0]) ? given[0] : given;
}
