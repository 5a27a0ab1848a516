import { createHash, createHmac, type KeyObject, timingSafeEqual, verify } from 'node:crypto';
import type { WebhookSecret } from './secret.ts';
import { standardSignature } from './sign-webhook.ts';

/** What a webhook is verified with: several keys or secrets at once, so that they can be changed without a gap. */
export type WebhookKeys =
  /**
   * Ed25519 public keys by key id, from `/v1/.well-known/jwks.json`, and the Ideogram users whose events are taken: all
   * accounts there are signed for with the same keys.
   */
  | {
      readonly scheme: 'ideogram';
      readonly keys: ReadonlyMap<string, KeyObject>;
      readonly users: ReadonlySet<string>;
    }
  | { readonly scheme: 'hmac-sha256' | 'standard'; readonly secrets: readonly WebhookSecret[] };

/** Header fields by lower-case name, as Node and most frameworks give them. */
export type WebhookHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

/** What came in, before any of it is believed. */
export interface WebhookRequest {
  readonly headers: WebhookHeaders;
  /** The raw bytes, exactly as they came: JSON that was parsed and written again has another signature. */
  readonly body: Uint8Array;
}

/** A webhook whose sender is known, and what it says of itself. */
export interface VerifiedWebhook {
  readonly ok: true;
  /** Names the event; the same again is a repetition. */
  readonly id: string;
  /** When it was sent, seconds since 1970; null with `hmac-sha256`, which signs no time. */
  readonly timestamp: number | null;
}

/** Why a webhook is not accepted: for logs, never for whoever sent it. */
export type WebhookFault =
  | 'header-missing'
  | 'header-malformed'
  /** A full stop in the id: what is signed, `id.timestamp.body`, would say the same of another id and another time. */
  | 'id-ambiguous'
  | 'too-old'
  | 'too-new'
  | 'unknown-key'
  | 'unknown-user'
  | 'signature';

type Verdict = VerifiedWebhook | { readonly ok: false; readonly reason: WebhookFault };

/** How far the sender's clock and ours may be apart, and how long a message may travel, seconds. */
const TOLERANCE_SECONDS = 300;

/**
 * Whether a webhook is genuine, unchanged and fresh. Never throws, whatever was sent. It has no memory: whoever calls
 * it keeps the ids of what was accepted, and drops what comes again.
 *
 * @param now milliseconds since 1970
 */
export function verifyWebhook(keys: WebhookKeys, request: WebhookRequest, now: number = Date.now()): Verdict {
  const verifyBody = readWebhookHead(keys, request.headers, now);
  return typeof verifyBody === 'string' ? fault(verifyBody) : verifyBody(request.body);
}

/** Whether the body is what the head says was signed. Never throws. */
export type VerifyBody = (body: Uint8Array) => Verdict;

/**
 * The first half of `verifyWebhook`, for who would not take the body of what its head alone shows to be no webhook.
 * Never throws.
 *
 * @param now milliseconds since 1970
 */
export function readWebhookHead(
  keys: WebhookKeys,
  headers: WebhookHeaders,
  now: number = Date.now(),
): WebhookFault | VerifyBody {
  switch (keys.scheme) {
    case 'ideogram':
      return readIdeogram(keys, headers, now);
    case 'hmac-sha256':
      return readHmac(keys.secrets, headers);
    case 'standard':
      return readStandard(keys.secrets, headers, now);
  }
}

const IDEOGRAM = {
  id: 'x-ideogram-webhook-generation-id',
  user: 'x-ideogram-webhook-user-id',
  timestamp: 'x-ideogram-webhook-timestamp',
  keyId: 'x-ideogram-webhook-key-id',
  signature: 'x-ideogram-webhook-signature',
} as const;

/** The id of the key that a webhook of Ideogram's says it is signed with; null when it says none. */
export function ideogramKeyId(headers: WebhookHeaders): string | null {
  const keyId = single(headers[IDEOGRAM.keyId]);
  return keyId !== undefined && TOKEN.test(keyId) ? keyId : null;
}

function readIdeogram(
  { keys, users }: Extract<WebhookKeys, { scheme: 'ideogram' }>,
  headers: WebhookHeaders,
  now: number,
): WebhookFault | VerifyBody {
  const sent = pick(headers, IDEOGRAM);
  if (typeof sent === 'string') return sent;
  const { id, user, timestamp, keyId, signature } = sent;
  if (!/^[0-9a-f]{128}$/.test(signature)) return 'signature';
  const late = timeFault(timestamp, now);
  if (late !== null) return late;
  const key = keys.get(keyId);
  if (key === undefined) return 'unknown-key';
  if (!users.has(user)) return 'unknown-user';
  return (body) => {
    const digest = createHash('sha256').update(body).digest('hex');
    const message = Buffer.from([id, user, timestamp, digest].join('\n'));
    const genuine = verify(null, message, key, Buffer.from(signature, 'hex'));
    return genuine ? { ok: true, id, timestamp: Number(timestamp) } : fault('signature');
  };
}

function readHmac(secrets: readonly WebhookSecret[], headers: WebhookHeaders): WebhookFault | VerifyBody {
  const sent = pick(headers, { signature: 'x-ideogram-signature' });
  if (typeof sent === 'string') return sent;
  if (!/^[0-9a-f]{64}$/.test(sent.signature)) return 'signature';
  const given = Buffer.from(sent.signature, 'hex');
  return (body) => {
    const genuine = secrets.map((secret) =>
      timingSafeEqual(createHmac('sha256', secret).update(body).digest(), given),
    );
    // Neither an id nor a time is signed: the body itself is what a repetition is known by.
    const id = createHash('sha256').update(body).digest('hex');
    return genuine.includes(true) ? { ok: true, id, timestamp: null } : fault('signature');
  };
}

const STANDARD = {
  id: 'webhook-id',
  timestamp: 'webhook-timestamp',
  signature: 'webhook-signature',
} as const;

/** Some receivers put up with more; each is one more comparison that a stranger can ask for. */
const MOST_SIGNATURES = 16;

function readStandard(
  secrets: readonly WebhookSecret[],
  headers: WebhookHeaders,
  now: number,
): WebhookFault | VerifyBody {
  const sent = pick(headers, STANDARD, ['signature']);
  if (typeof sent === 'string') return sent;
  const { id, timestamp, signature } = sent;
  if (id.includes('.')) return 'id-ambiguous';
  const late = timeFault(timestamp, now);
  if (late !== null) return late;
  const given = signature.split(' ', MOST_SIGNATURES).flatMap(hmacIn);
  if (given.length === 0) return 'signature';
  return (body) => {
    const genuine = secrets.flatMap((secret) => {
      const expected = standardSignature(secret, id, timestamp, body);
      return given.map((bytes) => timingSafeEqual(expected, bytes));
    });
    return genuine.includes(true) ? { ok: true, id, timestamp: Number(timestamp) } : fault('signature');
  };
}

/** The bytes of a `v1` signature; those of other versions are for others. */
function hmacIn(text: string): readonly Buffer[] {
  const [, base64] = /^v1,([A-Za-z0-9+/]{43}=)$/.exec(text) ?? [];
  return base64 === undefined ? [] : [Buffer.from(base64, 'base64')];
}

function timeFault(timestamp: string, now: number): 'header-malformed' | 'too-old' | 'too-new' | null {
  if (!/^[0-9]{1,12}$/.test(timestamp)) return 'header-malformed';
  const age = now / 1000 - Number(timestamp);
  if (age > TOLERANCE_SECONDS) return 'too-old';
  return age < -TOLERANCE_SECONDS ? 'too-new' : null;
}

/** One word that can stand in a header field. Node joins repeated fields with a comma and a space, so two aren't one. */
const TOKEN = /^[\x21-\x7e]{1,256}$/;

/** The named fields, each there once and one word (but for those in `lists`), or what is wrong. */
function pick<Name extends string>(
  headers: WebhookHeaders,
  names: Readonly<Record<Name, string>>,
  lists: readonly NoInfer<Name>[] = [],
): Readonly<Record<Name, string>> | 'header-missing' | 'header-malformed' {
  const picked = new Map<string, string>();
  for (const [name, field] of Object.entries<string>(names)) {
    const value = single(headers[field]);
    if (value === undefined || value === '') return 'header-missing';
    if (!TOKEN.test(value) && !(lists as readonly string[]).includes(name)) return 'header-malformed';
    picked.set(name, value);
  }
  return Object.fromEntries(picked) as Record<Name, string>; // as: one entry for each name
}

/** A field that came twice is one that nobody can rely on. */
function single(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'object' ? (value.length === 1 ? value[0] : undefined) : value;
}

function fault(reason: WebhookFault): Verdict {
  return { ok: false, reason };
}
