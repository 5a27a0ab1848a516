/**
 * A copy of a text that is to be kept for long. A piece of a line is, for the engine, a place in all the text that was
 * read with it, and holds on to that.
 * @param text of latin1 characters alone, as hashes and identifiers are
 */
export function ownText(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}
