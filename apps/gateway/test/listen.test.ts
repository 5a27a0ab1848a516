import { execFileSync } from 'node:child_process';
import type { Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import Fastify from 'fastify';
import { expect, test } from 'vitest';
import { listen } from '../src/edge/listen.ts';

/** Connects so often at once, and ends when all are connected. */
const CROWD = `
  const [port, count] = process.argv.slice(1).map(Number);
  let open = 0;
  for (let i = 0; i < count; i++)
    require('node:net').connect(port, '127.0.0.1', () => ++open === count && process.exit(0)).on('error', () => {});`;

test.skipIf(process.platform !== 'linux')(
  'of many connections that came while the loop was busy, many are taken in each of its turns (H.62)',
  async () => {
    const app = Fastify();
    app.decorate('ideogateListeners', []);
    const taken: Socket[] = [];
    app.server.on('connection', (socket) => taken.push(socket.on('error', () => undefined)));
    try {
      const { port } = new URL(await listen(app, { host: '127.0.0.1', port: 0 }));
      execFileSync(process.execPath, ['-e', CROWD, port, '300'], { timeout: 20_000 });
      let turns = 0;
      for (; taken.length < 300 && turns < 10_000; turns++) await nextTurn();
      expect(taken.length).toBe(300);
      expect(turns).toBeLessThan(100);
    } finally {
      for (const line of app.ideogateListeners) line.close();
      app.server.closeAllConnections();
      await app.close();
    }
  },
);
