import { TLSSocket } from 'node:tls';
import type { GatewayConfig } from '../config.ts';
import { createConnector } from './egress.ts';

/** How a connection to the upstream was really made. */
interface UpstreamConnection {
  /** Null: plain http, which is for loopback alone. `authorized`: certificate and name were verified. */
  readonly tls: {
    readonly authorized: boolean;
    readonly protocol: string;
    readonly validTo: string;
  } | null;
}

/**
 * Connects to the upstream on the way that calls take (the same trust, the same egress proxy), and closes again: no
 * request is sent, and so no key. Throws what the network or TLS says.
 */
export function probeUpstream(upstream: GatewayConfig['upstream']): Promise<UpstreamConnection> {
  const { promise, resolve, reject } = Promise.withResolvers<UpstreamConnection>();
  const { protocol, host, hostname, port } = new URL(upstream.origin);
  const connect = createConnector(upstream);
  connect({ protocol, host, hostname: hostname.replace(/^\[|\]$/g, ''), port }, (error, socket) => {
    if (error !== null) {
      reject(error);
      return;
    }
    // Whatever the other side does with a connection that is let go of is none of our business.
    socket.on('error', () => {});
    resolve({
      tls:
        socket instanceof TLSSocket
          ? {
              authorized: socket.authorized,
              protocol: socket.getProtocol() ?? 'TLS',
              validTo: socket.getPeerCertificate().valid_to,
            }
          : null,
    });
    socket.destroy();
  });
  return promise;
}
