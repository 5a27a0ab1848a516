import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { boundConnections } from '@ideogate/fair-share';
import { HEALTH, READY } from '../edge/system-paths.ts';
import type { ProbeAnswer, Probes } from './probes.ts';

const METRICS = '/metrics';

/** More than all who watch the gateway hold open. */
const OPERATIONS_SOCKETS = 256;

/** The operations port: health, readiness and metrics, away from callers and whatever they do. */
export async function serveOperations(probes: Probes, at: { host: string; port: number }): Promise<Server> {
  const pages = new Map<string, () => ProbeAnswer | Promise<ProbeAnswer>>([
    [HEALTH, probes.health],
    [READY, probes.ready],
    [METRICS, probes.metrics],
  ]);
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const page = pages.get(request.url ?? '');
    if (page === undefined) {
      response.writeHead(404).end();
      return;
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(request.method === 'OPTIONS' ? 204 : 405, { allow: 'GET, HEAD, OPTIONS' }).end();
      return;
    }
    const { status, type, body } = await page();
    const length = Buffer.byteLength(body);
    response.writeHead(status, {
      'content-type': type,
      'content-length': length,
      'cache-control': 'no-store',
    });
    response.end(request.method === 'HEAD' ? undefined : body);
  };
  const server = createServer({
    headersTimeout: 5000,
    requestTimeout: 10_000,
    // Node looks at these two every half minute, where nothing else is said.
    connectionsCheckingInterval: 1000,
  });
  // Whoever holds them open takes no descriptors from the callers' port, and keeps no probe out.
  const connections = boundConnections(server, OPERATIONS_SOCKETS);
  server.on('request', (request, response) => {
    connections.heard(request.socket);
    answer(request, response).catch(() => response.writeHead(500).end());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(at.port, at.host, resolve);
  });
  return server;
}
