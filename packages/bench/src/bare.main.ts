import httpProxy from '@fastify/http-proxy';
import Fastify from 'fastify';
import { tellReady, tellUsage } from './usage.ts';

/** The peer: bare fastify with @fastify/http-proxy, and no security at all. */
const [upstream = ''] = process.argv.slice(2);
const app = Fastify({ logger: false, bodyLimit: 64 * 1024 * 1024 });
await app.register(httpProxy, { upstream });
tellReady(await app.listen({ host: '127.0.0.1', port: 0 }));
tellUsage(() => app.close());
