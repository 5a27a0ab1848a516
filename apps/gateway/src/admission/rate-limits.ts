import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Redis } from 'ioredis';
import type { GatewayConfig } from '../config.ts';

/** Rate limits. Each answers null to go on, or the seconds to wait. */
export interface RateLimits {
  byAddress(address: string): Promise<number | null>;
  bySubject(subject: string): Promise<number | null>;
  /** Of a caller: requests that a token of its takes past the limit of its address. */
  byProvenCaller(subject: string): Promise<number | null>;
  /** Whether the limits are shared between replicas right now. */
  shared(): 'shared' | 'alone' | 'degraded';
}

const LOOK_AGAIN_MS = 500;

type Kind = 'address' | 'subject' | 'proven-caller';

/**
 * Limits by @fastify/rate-limit, in Redis when it is configured. While Redis is away every replica allows its own
 * share, 1/replicas of each limit, so that the sum stays what it was.
 */
export async function createRateLimits(app: FastifyInstance, config: GatewayConfig): Promise<RateLimits> {
  const { perAddress, perSubject, windowMs, replicas } = config.rates;
  const limiter = async (share: number, redis?: Redis) => {
    let check: ((kind: Kind, key: string) => Promise<number | null>) | undefined;
    // A context of its own, so that the shared and the local limiter do not share a store.
    await app.register(async (context) => {
      await context.register(rateLimit, {
        global: false,
        cache: 100_000,
        ...(redis === undefined
          ? {}
          : { redis, nameSpace: `ideogate:${config.environment}:`, skipOnError: false }),
      });
      const limit = (max: number) => ({ max: Math.max(1, Math.floor(max * share)), timeWindow: windowMs });
      // A key of its own: the limiter's would take subjects that differ in case for one, and in Redis all kinds for one.
      const byKey = (kind: Kind, max: number) =>
        context.createRateLimit({ ...limit(max), keyGenerator: ({ ip }) => `${kind} ${ip}` });
      const limits = {
        address: context.createRateLimit(limit(perAddress)),
        subject: byKey('subject', perSubject),
        'proven-caller': byKey('proven-caller', perSubject),
      };
      check = async (kind, key) => {
        const verdict = await limits[kind](requestOf(key));
        return verdict.isAllowed || !verdict.isExceeded ? null : Math.max(1, verdict.ttlInSeconds);
      };
    });
    return (kind: Kind, key: string) => {
      if (check === undefined) throw new Error('the rate limiter is asked before the application is ready');
      return check(kind, key);
    };
  };

  const alone = await limiter(config.redisUrl === null ? 1 : 1 / replicas);
  if (config.redisUrl === null) {
    return { ...rateLimitsOf(alone), shared: () => 'alone' };
  }

  const redis = new Redis(config.redisUrl, {
    connectTimeout: 500,
    commandTimeout: 250,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    lazyConnect: true,
    retryStrategy: (times) => Math.min(1000, times * 100),
  });
  let degraded = true;
  redis.on('error', () => {
    degraded = true;
  });
  redis.on('ready', () => {
    degraded = false;
  });
  redis.connect().catch(() => undefined); // why: its retries go on; until then the local share holds
  app.addHook('onClose', async () => redis.disconnect());
  const shared = await limiter(1, redis);
  // A Redis that is connected and silent gives no event when it speaks again.
  const lookAgain = () => {
    setTimeout(() => {
      if (redis.status === 'end') return;
      redis.ping().then(() => {
        degraded = false;
      }, lookAgain);
    }, LOOK_AGAIN_MS).unref();
  };
  const ask = async (kind: Kind, key: string) => {
    if (degraded) return alone(kind, key);
    try {
      return await shared(kind, key);
    } catch {
      if (!degraded) lookAgain();
      degraded = true;
      return alone(kind, key);
    }
  };
  return { ...rateLimitsOf(ask), shared: () => (degraded ? 'degraded' : 'shared') };
}

function rateLimitsOf(ask: (kind: Kind, key: string) => Promise<number | null>): Omit<RateLimits, 'shared'> {
  return {
    byAddress: (address) => ask('address', address),
    bySubject: (subject) => ask('subject', subject),
    byProvenCaller: (subject) => ask('proven-caller', subject),
  };
}

/** The limiter's own key is the request's address, IPv6 by its /64; a subject takes the same place. */
function requestOf(key: string): FastifyRequest {
  return { ip: key, routeOptions: {} } as FastifyRequest; // as: the limiter looks at nothing else
}
