import { foldName } from './folded-name.ts';

/** `webhook_url` as `foldName` has it. */
export const FOLDED_WEBHOOK_URL = 'webhookurl';
/** `dry_run` as `foldName` has it. */
export const FOLDED_DRY_RUN = 'dryrun';
const PERCENT = 0x25;

/**
 * Whether a reader, however lenient, could take this name for `webhook_url`: any letter case, any separators
 * (`webhookUrl`, `webhook-url`), brackets (`webhook_url[]`, `image_request[webhook_url]`), full-width letters,
 * and percent escapes on top of each other.
 */
export function namesWebhookUrl(name: string): boolean {
  return couldMean(foldName(name), FOLDED_WEBHOOK_URL);
}

/** As `namesWebhookUrl`, for `dry_run`. */
export function namesDryRun(name: string): boolean {
  return couldMean(foldName(name), FOLDED_DRY_RUN);
}

/** Whether a folded name could mean the wanted one, folded too, as it stands or unescaped. */
export function couldMean(folded: string, wanted: string): boolean {
  if (folded.length < wanted.length) return false;
  if (!folded.includes('%')) return folded.includes(wanted);
  return folded.replaceAll('%', '').includes(wanted) || unescaped(folded).includes(wanted);
}

/** Without percent escapes, however often they are escaped again: in one pass, since each makes the text shorter. */
function unescaped(folded: string): string {
  // What was read so far; a finished escape is taken back, and what it stands for put there.
  const read = new Uint8Array(folded.length);
  let size = 0;
  for (let at = 0; at < folded.length; at++) {
    read[size++] = folded.charCodeAt(at);
    while (size > 2 && read[size - 3] === PERCENT) {
      const unit = hexDigit(read[size - 2] ?? 0) * 16 + hexDigit(read[size - 1] ?? 0);
      if (unit < 0) break;
      size -= 3;
      const meaning = foldName(String.fromCharCode(unit));
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
export class WebhookNameSearch {
  /** Whether it stood in what was given so far, as far as that is finished. */
  found = false;
  readonly #decoder = new TextDecoder();
  /** What may be the beginning of an escape, or of a character. */
  #unfinished = '';
  /** The last folded letters, one fewer than are looked for. */
  #folded = '';

  /** The next bytes of the text, UTF-8. */
  push(bytes: Uint8Array): void {
    if (this.found) return;
    const text = this.#unfinished + this.#decoder.decode(bytes, { stream: true });
    const last = text.lastIndexOf('\\');
    const end = last >= 0 && last > text.length - '\\u0000'.length ? last : text.length;
    this.#unfinished = this.#look(text.slice(0, end)) + text.slice(end);
  }

  /** The text is at its end: what was unfinished is looked at as it stands. */
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
    const folded = this.#folded + foldName(unescaped).replaceAll('%', '');
    this.found ||= folded.includes(FOLDED_WEBHOOK_URL);
    this.#folded = folded.slice(1 - FOLDED_WEBHOOK_URL.length);
    return half;
  }
}
