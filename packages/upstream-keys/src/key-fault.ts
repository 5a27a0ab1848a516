/** Why a key cannot be used. The message names where it was and never the key. */
export class KeyError extends Error {
  override readonly name = 'KeyError';
}

const PLACEHOLDER =
  /^(?:<|\$\{|your|insert|enter|replace|change-?me|todo|xxx|placeholder)|^[a-z]*[-_ ]?api[-_ ]?key[-_ a-z]*$|^(.)\1+$/i;
const HEADER_SAFE = /^[\x21-\x7e]{8,512}$/;
const AGE_WORDS = /^age1|^age-(?:secret|encryption)/i;

/** Why this cannot be a key, in words that go after its name and never show it; null when it can. */
export function faultOfKey(key: string): string | null {
  if (key.trim() === '') return 'is missing';
  if (key !== key.trim()) return 'begins or ends with white space';
  if (/^ey[A-Za-z0-9_-]+\./.test(key)) return 'is a token, not an Ideogram API key';
  if (AGE_WORDS.test(key)) return 'is of age, which seals keys: not an Ideogram API key';
  if (/^(?:bearer|basic|dpop) /i.test(key)) return 'is an Authorization field, not an Ideogram API key';
  if (PLACEHOLDER.test(key)) return 'is a placeholder';
  if (!HEADER_SAFE.test(key)) return 'is not 8 to 512 printable ASCII characters without spaces';
  return null;
}
