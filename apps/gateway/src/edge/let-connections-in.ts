import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import { LoopTurns } from '../admission/loop-turns.ts';
import type { Origin } from '../call.ts';
import { UNKNOWN_ORIGIN } from './caller-address.ts';
import { readProxyHeader } from './proxy-protocol.ts';
import { canonicalPeer, peerOf } from '../ip-address.ts';
import type { TrustedProxies } from '../trusted-proxies.ts';

/** Why a connection from a proxy that must say for whom it speaks is closed. */
type ProxyHeaderFault = 'proxy-header-missing' | 'proxy-header-invalid' | 'proxy-header-late';

/** Who is let in, and what becomes of those who are and those who are not. */
export interface ConnectionRules {
  readonly proxies: TrustedProxies;
  /** Connections that one address may hold. */
  readonly maxPerAddress: number;
  /** Time for the header of the PROXY protocol, milliseconds. */
  readonly proxyHeaderMs: number;
  /** Takes a connection that was let in, with Node's parser on it, before its first byte is read. */
  readonly onOpen: (socket: Socket, origin: Origin) => void;
  /** Takes one connection too many; no request on it is ever read. */
  readonly onSurplus: (socket: Socket) => void;
  /** Takes a connection without the header that its peer must send. */
  readonly onProxyFault: (socket: Socket, fault: ProxyHeaderFault) => void;
}

/**
 * Lets connections in, before a parser or TLS sees them: one from a proxy that is listed with the PROXY protocol only
 * behind a valid header, which comes before TLS. Each address may hold so many, and one too many costs next to nothing.
 * A listed proxy carries everybody, and bounds the connections of each itself: none of its own is one too many. Behind
 * the PROXY protocol a connection is one caller's, and counts as that one's. Many at once are let in by turns, and nothing
 * is read before.
 */
export function letConnectionsIn(server: Server, rules: ConnectionRules): void {
  const { proxies } = rules;
  const held = new Map<string, number>();
  const accept = server.listeners('connection');
  server.removeAllListeners('connection');
  const beneathTls = server instanceof TlsServer ? followBeneathTls(server, rules.onOpen) : null;
  // A thousand connections would else bring their first 64 KiB each before anybody has had a turn. Over TLS what came early
  // waits as it is.
  if (beneathTls === null) Object.assign(server, { pauseOnConnect: true });
  const turns = new LoopTurns(CONNECTIONS_PER_TURN);
  const handOver = (socket: Socket, origin: Origin) => {
    for (const listener of accept) Reflect.apply(listener, server, [socket]);
    if (beneathTls === null) rules.onOpen(socket, origin);
    // Whoever reads on has asked to be told by now.
    if (beneathTls === null) process.nextTick(() => socket.resume());
  };
  const enter = (socket: Socket, origin: Origin) => {
    const isProxy = proxies.formOf(origin.address) !== null;
    if (!isProxy && !hold(held, peerOf(origin.address ?? 'unknown'), rules.maxPerAddress, socket)) {
      rules.onSurplus(socket);
      return;
    }
    beneathTls?.remember(socket, origin);
    const turn = turns.next(peerOf(origin.address ?? 'unknown'));
    if (turn === null) return handOver(socket, origin);
    socket.once('error', ignore);
    void turn.then(() => {
      socket.off('error', ignore);
      if (!socket.destroyed) handOver(socket, origin);
    });
  };
  server.on('connection', (socket: Socket) => {
    const address = canonicalPeer(socket.remoteAddress);
    // Reset before it was accepted, as load balancers end their checks: nobody is there, and whether a header had to come
    // first can't be told any more.
    if (address === null) {
      socket.destroy();
      return;
    }
    if (proxies.formOf(address) !== 'proxy-protocol') {
      enter(socket, { address, proxy: null });
      return;
    }
    takeProxyHeader(socket, rules.proxyHeaderMs, (header) => {
      if (typeof header === 'string') rules.onProxyFault(socket, header);
      else
        enter(
          socket,
          header.source === null ? { address, proxy: null } : { address: header.source, proxy: address },
        );
    });
  });
}

/** Connections that are let in in one turn of the event loop: less than a millisecond of work. */
const CONNECTIONS_PER_TURN = 4;

/** Its closing tells enough. */
const ignore = () => undefined;

/** What TLS makes of a connection is another object, and tells of the one beneath by both ends' addresses alone. */
function followBeneathTls(server: TlsServer, onOpen: ConnectionRules['onOpen']) {
  const origins = new Map<string, Origin>();
  server.on('secureConnection', (socket) => onOpen(socket, origins.get(endsOf(socket)) ?? UNKNOWN_ORIGIN));
  return {
    remember(socket: Socket, origin: Origin): void {
      const ends = endsOf(socket);
      origins.set(ends, origin);
      socket.once('close', () => origins.delete(ends));
    },
  };
}

function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return [remoteAddress, remotePort, localAddress, localPort].join(' ');
}

/** @returns whether there was room. What is held is given back when the connection closes. */
function hold(held: Map<string, number>, address: string, max: number, socket: Socket): boolean {
  const others = held.get(address) ?? 0;
  if (others >= max) return false;
  held.set(address, others + 1);
  socket.once('close', () => {
    const left = (held.get(address) ?? 1) - 1;
    if (left === 0) held.delete(address);
    else held.set(address, left);
  });
  return true;
}

/** Reads the header off a connection, and leaves all that follows it to whoever reads on. */
function takeProxyHeader(
  socket: Socket,
  withinMs: number,
  done: (header: { readonly source: string | null } | ProxyHeaderFault) => void,
): void {
  let seen: Buffer = Buffer.alloc(0);
  const finish = (result: { readonly source: string | null } | ProxyHeaderFault) => {
    clearTimeout(timer);
    socket.off('data', onData).off('end', onEnd).off('error', onError).off('close', onClose);
    done(result);
  };
  const onData = (chunk: Buffer) => {
    seen = Buffer.concat([seen, chunk]);
    const header = readProxyHeader(seen);
    if (header.kind === 'incomplete') return;
    // Paused, or what is put back would come again at once, to nobody.
    socket.pause();
    if (header.kind !== 'header') {
      finish(`proxy-header-${header.kind}`);
      return;
    }
    if (seen.length > header.bytes) socket.unshift(seen.subarray(header.bytes));
    finish(header);
  };
  // One that asks for nothing and goes, as a probe of the port does, is no fault.
  const onEnd = () => (seen.length > 0 ? finish('proxy-header-invalid') : socket.destroy());
  const onError = () => socket.destroy();
  const onClose = () => clearTimeout(timer);
  const timer = setTimeout(() => finish('proxy-header-late'), withinMs);
  timer.unref();
  socket.on('data', onData).once('end', onEnd).once('error', onError).once('close', onClose).resume();
}
