import { hash } from 'node:crypto';

/** Least recently used things, at most `size` of them, by token. */
export interface TokenCache<T> {
  get(token: string): T | undefined;
  set(token: string, value: T): void;
  delete(token: string): void;
}

/**
 * Bounded store of what verified tokens say. Keys are SHA-256 of the token, so that the store holds no credential
 * and costs the same for long tokens. Only verified tokens are put in (see `verifier.ts`), so junk evicts nothing.
 */
export function createTokenCache<T>(size: number): TokenCache<T> {
  const entries = new Map<string, T>();
  return {
    get(token) {
      const key = digest(token);
      const value = entries.get(key);
      if (value === undefined) return undefined;
      // A Map keeps the order of insertion: the first is the one not used for longest.
      entries.delete(key);
      entries.set(key, value);
      return value;
    },
    set(token, value) {
      if (size === 0) return;
      const key = digest(token);
      entries.delete(key);
      entries.set(key, value);
      if (entries.size > size) entries.delete(entries.keys().next().value ?? '');
    },
    delete(token) {
      entries.delete(digest(token));
    },
  };
}

function digest(token: string): string {
  return hash('sha256', token, 'base64');
}
