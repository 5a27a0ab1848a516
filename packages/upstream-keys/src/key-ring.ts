import { createHmac } from 'node:crypto';
import type { Capability, EnvironmentName } from '@ideogate/contract';
import { type LeakScan, scanForSecret } from './leak-scan.ts';

/** Keys given for one environment. `both` fills whichever of the two slots is not given. */
export interface KeySource {
  readonly environment: EnvironmentName;
  readonly read?: string | undefined;
  readonly write?: string | undefined;
  readonly both?: string | undefined;
  /** Secret of this installation under which key ids are made, so that an id reveals nothing about its key. */
  readonly fingerprintSecret: string;
  /** Monotonic milliseconds; default: the process's own clock. */
  readonly now?: () => number;
}

/**
 * How long a refusal counts, milliseconds. A gateway that is not ready gets no calls, and without calls nothing
 * would ever show that the key works again.
 */
const SUSPECT_MS = 60_000;

/** Why a key cannot be used. The message names the slot and never the key. */
export class KeyError extends Error {
  override readonly name = 'KeyError';
}

/**
 * The keys of one environment. The only place that holds their plain text: it puts them into a header or looks
 * for them in bytes, and never hands them out.
 */
export interface KeyRing {
  readonly environment: EnvironmentName;
  /** Fingerprint of the key that `capability` uses; null for `none`. */
  id(capability: Capability): string | null;
  /** Sets the upstream credential header for `capability`, last of all fields. Sets nothing for `none`. */
  setHeader(capability: Capability, headers: Record<string, string>): void;
  /** True when any header value holds any key of this ring. */
  inHeaders(values: Iterable<string | readonly string[] | undefined>): boolean;
  /** Watches a body for every key of this ring, across chunk borders. */
  scanBody(): LeakScan;
  /** Marks the key behind `capability` as refused by the upstream. */
  markSuspect(capability: Capability): void;
  /** The upstream took the key behind `capability`: it is no suspect any more. */
  markAccepted(capability: Capability): void;
  /** Ids of keys that the upstream refused when they were last used, within the last minute. */
  suspects(): readonly string[];
}

const PLACEHOLDER =
  /^(?:<|\$\{|your|insert|enter|replace|change-?me|todo|xxx|placeholder)|^[a-z]*[-_ ]?api[-_ ]?key[-_ a-z]*$|^(.)\1+$/i;
const HEADER_SAFE = /^[\x21-\x7e]{8,512}$/;

/**
 * @throws KeyError when a slot is empty, or holds a placeholder, a token, or something no header can carry.
 */
export function createKeyRing(source: KeySource): KeyRing {
  const slots = {
    read: checkKey(source.read ?? source.both, 'read', source.environment),
    write: checkKey(source.write ?? source.both, 'write', source.environment),
  };
  const ids = {
    read: fingerprint(slots.read, source.fingerprintSecret),
    write: fingerprint(slots.write, source.fingerprintSecret),
  };
  const secrets = [...new Set([slots.read, slots.write])];
  const holdsSecret = (text: string) => secrets.some((secret) => text.includes(secret));
  const { now = () => performance.now() } = source;
  const suspects = new Map<string, number>();
  return {
    environment: source.environment,
    id: (capability) => (capability === 'none' ? null : ids[capability]),
    setHeader(capability, headers) {
      if (capability !== 'none') headers['api-key'] = slots[capability];
    },
    inHeaders(values) {
      for (const value of values) {
        if (typeof value === 'string' ? holdsSecret(value) : value?.some(holdsSecret)) return true;
      }
      return false;
    },
    scanBody: () => scanForSecret(secrets),
    markSuspect(capability) {
      if (capability !== 'none') suspects.set(ids[capability], now());
    },
    markAccepted(capability) {
      if (capability !== 'none') suspects.delete(ids[capability]);
    },
    suspects: () => [...suspects].filter(([, since]) => now() - since < SUSPECT_MS).map(([id]) => id),
  };
}

function checkKey(key: string | undefined, slot: 'read' | 'write', environment: EnvironmentName): string {
  const where = `the ${slot} key of ${environment}`;
  if (key === undefined) throw new KeyError(`${where} is missing`);
  const fault = faultOfKey(key);
  if (fault !== null) throw new KeyError(`${where} ${fault}`);
  return key;
}

/** Why this cannot be a key, in words that go after its name and never show it; null when it can. */
export function faultOfKey(key: string): string | null {
  if (key.trim() === '') return 'is missing';
  if (key !== key.trim()) return 'begins or ends with white space';
  if (/^ey[A-Za-z0-9_-]+\./.test(key)) return 'is a token, not an Ideogram API key';
  if (PLACEHOLDER.test(key)) return 'is a placeholder';
  if (!HEADER_SAFE.test(key)) return 'is not 8 to 512 printable ASCII characters without spaces';
  return null;
}

function fingerprint(key: string, secret: string): string {
  return `key_${createHmac('sha256', secret).update('ideogate key id\0').update(key).digest('hex').slice(0, 16)}`;
}
