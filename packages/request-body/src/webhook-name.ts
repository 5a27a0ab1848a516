import { lettersOf } from './name-letters.ts';

export const WEBHOOK_LETTERS = 'webhookurl';
export const DRY_RUN_LETTERS = 'dryrun';
const PERCENT = 0x25;

/**
 * Whether a reader, however lenient, could take this name for `webhook_url`: any letter case, any separators
 * (`webhookUrl`, `webhook-url`), brackets (`webhook_url[]`, `image_request[webhook_url]`), full-width letters,
 * and percent escapes on top of each other.
 */
export function namesWebhookUrl(name: string): boolean {
  return couldMean(lettersOf(name), WEBHOOK_LETTERS);
}

/** As `namesWebhookUrl`, for `dry_run`. */
export function namesDryRun(name: string): boolean {
  return couldMean(lettersOf(name), DRY_RUN_LETTERS);
}

/** Whether letters of a name (`lettersOf`) could mean the looked for ones, as they stand or unescaped. */
export function couldMean(letters: string, wanted: string): boolean {
  if (letters.length < wanted.length) return false;
  if (!letters.includes('%')) return letters.includes(wanted);
  return letters.replaceAll('%', '').includes(wanted) || unescaped(letters).includes(wanted);
}

/** Without percent escapes, however often they are escaped again: in one pass, since each makes the text shorter. */
function unescaped(letters: string): string {
  // What was read so far; a finished escape is taken back, and what it stands for put there.
  const read = new Uint8Array(letters.length);
  let size = 0;
  for (let at = 0; at < letters.length; at++) {
    read[size++] = letters.charCodeAt(at);
    while (size > 2 && read[size - 3] === PERCENT) {
      const unit = hexDigit(read[size - 2] ?? 0) * 16 + hexDigit(read[size - 1] ?? 0);
      if (unit < 0) break;
      size -= 3;
      const meaning = lettersOf(String.fromCharCode(unit));
      for (let next = 0; next < meaning.length; next++) read[size++] = meaning.charCodeAt(next);
    }
  }
  return new TextDecoder().decode(read.subarray(0, size)).replaceAll('%', '');
}

/** Far below zero for what is none. */
function hexDigit(unit: number): number {
  if (unit >= 0x30 && unit <= 0x39) return unit - 0x30;
  return unit >= 0x61 && unit <= 0x66 ? unit - 0x57 : -1000;
}

/**
 * Looks for `webhook_url` in text that some reader may take for JSON although a strict one does not, however it is cut.
 */
export class WebhookMention {
  found = false;
  readonly #decoder = new TextDecoder();
  /** What may be the beginning of an escape, or of a character. */
  #unfinished = '';
  /** The last letters, one fewer than are looked for. */
  #letters = '';

  push(bytes: Uint8Array): void {
    if (this.found) return;
    const text = this.#unfinished + this.#decoder.decode(bytes, { stream: true });
    const last = text.lastIndexOf('\\');
    const end = last >= 0 && last > text.length - '\\u0000'.length ? last : text.length;
    this.#unfinished = this.#look(text.slice(0, end)) + text.slice(end);
  }

  end(): void {
    this.#look(this.#unfinished + this.#decoder.decode());
    this.#unfinished = '';
  }

  /** Half a surrogate pair at the end is given back. */
  #look(text: string): string {
    const unescaped = text.replace(/\\u([0-9a-fA-F]{4})/g, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    );
    const half = /[\ud800-\udbff]$/.exec(unescaped)?.[0] ?? '';
    const letters = this.#letters + lettersOf(unescaped).replaceAll('%', '');
    this.found ||= letters.includes(WEBHOOK_LETTERS);
    this.#letters = letters.slice(1 - WEBHOOK_LETTERS.length);
    return half;
  }
}
