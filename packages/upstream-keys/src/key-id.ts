const KEY_ID = 'key_[0-9a-f]{16}';
const WHOLE = new RegExp(`^${KEY_ID}$`);
const WITHIN = new RegExp(`\\b${KEY_ID}\\b`, 'g');

/** Whether a text is the id of a key, as `keyIdOf` makes it. */
export function isKeyId(text: string): boolean {
  return WHOLE.test(text);
}

/** The ids of keys in what `keys list` printed, or in any other text. */
export function keyIdsIn(text: string): readonly string[] {
  return text.match(WITHIN) ?? [];
}
