import {
  createHash,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  randomBytes,
  sign,
  verify,
} from 'node:crypto';

/**
 * Signed notes (C2SP signed-note), with Ed25519 alone: a text, a blank line, and a line for each signature,
 * `— <key name> <base64(key id || signature)>`. The keys' own texts are those of Go's `sumdb/note`:
 * `<name>+<key id>+<base64(0x01 || public key)>` and `PRIVATE+KEY+<name>+<key id>+<base64(0x01 || seed)>`.
 */

/** Signature type of Ed25519 (C2SP signed-note, "Signature types"). */
const ED25519 = 0x01;
const SEED_BYTES = 32;
const SIGNATURE_BYTES = 64;
/** RFC 8410: what comes before the 32 bytes in an Ed25519 key's DER forms. */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

/** What is needed to verify: a name, the key's id, and the public key. */
export interface VerifierKey {
  readonly name: string;
  /** First 4 bytes of SHA-256(name || 0x0A || 0x01 || public key), as 8 hex digits. */
  readonly id: string;
  readonly key: KeyObject;
  /** `<name>+<id>+<base64>`: how a verifier is told the key. */
  readonly text: string;
}

/** What signs: never printed, and kept in its file alone. */
export interface SigningKey {
  readonly verifier: VerifierKey;
  readonly key: KeyObject;
  /** `PRIVATE+KEY+…`, which is a secret. */
  readonly text: string;
}

/** A text is no key; the message holds nothing of it. */
export class KeyTextError extends Error {
  override readonly name = 'KeyTextError';
}

/** A new key. `name` has neither spaces nor plus signs. */
export function makeSigningKey(name: string): SigningKey {
  return signingKey(name, randomBytes(SEED_BYTES));
}

/** @throws KeyTextError, whose message holds nothing of the key */
export function parseSigningKey(text: string): SigningKey {
  const match = /^PRIVATE\+KEY\+([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text.trim());
  const [, name = '', id, encoded = ''] = match ?? [];
  const bytes = Buffer.from(encoded, 'base64');
  if (bytes[0] !== ED25519 || bytes.length !== 1 + SEED_BYTES) {
    throw new KeyTextError('not a signing key such as PRIVATE+KEY+name+01234567+…');
  }
  const key = signingKey(name, bytes.subarray(1));
  if (key.verifier.id !== id) throw new KeyTextError('the signing key does not match the id in its text');
  return key;
}

/** @throws KeyTextError */
export function parseVerifierKey(text: string): VerifierKey {
  const match = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text.trim());
  const [, name = '', id, encoded = ''] = match ?? [];
  const bytes = Buffer.from(encoded, 'base64');
  if (bytes[0] !== ED25519 || bytes.length !== 1 + SEED_BYTES) {
    throw new KeyTextError('not a public key such as name+01234567+…');
  }
  const key = verifierKey(name, bytes.subarray(1));
  if (key.id !== id) throw new KeyTextError('the public key does not match the id in its text');
  return key;
}

function signingKey(name: string, seed: Buffer): SigningKey {
  const key = createPrivateKey({
    key: Buffer.concat([PKCS8_PREFIX, seed]),
    format: 'der',
    type: 'pkcs8',
  });
  const raw = createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(SPKI_PREFIX.length);
  const verifier = verifierKey(name, raw);
  const encoded = Buffer.concat([Buffer.of(ED25519), seed]).toString('base64');
  return { verifier, key, text: `PRIVATE+KEY+${name}+${verifier.id}+${encoded}` };
}

function verifierKey(name: string, raw: Uint8Array): VerifierKey {
  const encoded = Buffer.concat([Buffer.of(ED25519), raw]);
  const id = createHash('sha256').update(`${name}\n`).update(encoded).digest('hex').slice(0, 8);
  const key = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, raw]), format: 'der', type: 'spki' });
  return { name, id, key, text: `${name}+${id}+${encoded.toString('base64')}` };
}

/** @param text ends in a line feed */
export function signNote(text: string, { key, verifier }: SigningKey): string {
  const signature = Buffer.concat([Buffer.from(verifier.id, 'hex'), sign(null, Buffer.from(text), key)]);
  return `${text}\n— ${verifier.name} ${signature.toString('base64')}\n`;
}

interface NoteSignature {
  readonly name: string;
  /** 8 hex digits. */
  readonly id: string;
  readonly signature: Buffer;
}

/** A note taken apart, not yet verified. */
export interface Note {
  /** What is signed, with its final line feed. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

const MAX_SIGNATURES = 100;
const CONTROL_BUT_LINE_FEED = /(?!\n)\p{Cc}/u;
const SIGNATURE_LINE = /^— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})$/;

/** Takes a note apart; null when it isn't one. */
export function readNote(note: string): Note | null {
  const split = note.lastIndexOf('\n\n');
  if (split === -1 || !note.endsWith('\n') || CONTROL_BUT_LINE_FEED.test(note)) return null;
  const lines = note.slice(split + 2, -1).split('\n');
  if (lines.length > MAX_SIGNATURES) return null;
  const signatures: NoteSignature[] = [];
  for (const line of lines) {
    const [, name, encoded] = SIGNATURE_LINE.exec(line) ?? [];
    const bytes = Buffer.from(encoded ?? '', 'base64');
    if (name === undefined || bytes.length < 5) return null;
    signatures.push({ name, id: bytes.toString('hex', 0, 4), signature: bytes.subarray(4) });
  }
  return { text: note.slice(0, split + 1), signatures };
}

/** What the signatures of a note are worth. */
export type SignatureVerdict =
  /** A known key signed it. */
  | 'signed'
  /** It claims to be a known key's, and isn't: the note is to be rejected. */
  | 'forged'
  /** No known key signed it. */
  | 'unknown-key';

/** Looks at each signature that names a known key (C2SP signed-note): one that is wrong rejects the note. */
export function verifyNote({ text, signatures }: Note, known: readonly VerifierKey[]): SignatureVerdict {
  const bytes = Buffer.from(text);
  let verdict: SignatureVerdict = 'unknown-key';
  for (const { name, id, signature } of signatures) {
    const key = known.find((candidate) => candidate.name === name && candidate.id === id);
    if (key === undefined) continue;
    if (signature.length !== SIGNATURE_BYTES || !verify(null, bytes, key.key, signature)) return 'forged';
    verdict = 'signed';
  }
  return verdict;
}
