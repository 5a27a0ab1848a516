import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Picture } from './picture.ts';

const PATH = /^\/api\/images\/ephemeral\/([A-Za-z0-9_-]+)\.png$/;
const MAX_SIDE = 8192;

/** Signed links to images that are drawn only when somebody fetches them: the id says what to draw. */
export interface Links {
  /** A link that is good for `ttlSeconds` from now. */
  link(picture: Picture, ttlSeconds: number): string;
  /** The picture behind a request target, `refused` for a bad or expired signature, undefined for other targets. */
  open(target: string): Picture | 'refused' | undefined;
}

/** @param now milliseconds since the epoch */
export function createLinks(origin: () => string, secret: Buffer, now: () => number): Links {
  const sign = (id: string, expires: string) =>
    createHmac('sha256', secret).update(`${id}\n${expires}`).digest('hex');
  return {
    link(picture, ttlSeconds) {
      const { width, height, seed, promptDigest } = picture;
      const id = Buffer.from(`${width}.${height}.${seed}.${promptDigest}`).toString('base64url');
      const expires = String(Math.floor(now() / 1000) + ttlSeconds);
      return `${origin()}/api/images/ephemeral/${id}.png?exp=${expires}&sig=${sign(id, expires)}`;
    },
    open(target) {
      const url = URL.parse(target, origin());
      const id = url === null ? undefined : PATH.exec(url.pathname)?.[1];
      if (url === null || id === undefined) return undefined;
      const expires = url.searchParams.get('exp') ?? '';
      const given = Buffer.from(url.searchParams.get('sig') ?? '');
      const expected = Buffer.from(sign(id, expires));
      if (given.length !== expected.length || !timingSafeEqual(given, expected)) return 'refused';
      if (Number(expires) * 1000 <= now()) return 'refused';
      return readId(id) ?? 'refused';
    },
  };
}

function readId(id: string): Picture | undefined {
  const parts = /^(\d+)\.(\d+)\.(\d+)\.([0-9a-f]{16})$/.exec(Buffer.from(id, 'base64url').toString());
  const [, width, height, seed, promptDigest] = parts ?? [];
  if (promptDigest === undefined) return undefined;
  return {
    width: Math.min(Number(width), MAX_SIDE),
    height: Math.min(Number(height), MAX_SIDE),
    seed: Number(seed),
    promptDigest,
  };
}
