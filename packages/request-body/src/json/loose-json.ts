import type { JsonText } from './json-body.ts';
import type { RequestFault } from '../request-fault.ts';
import { WebhookNameSearch } from '../guarded-names.ts';

/**
 * A field nobody declared, for a caller with the full grant. Text that looks like JSON and reads as such is searched
 * by member names; text that does not is searched as it stands, because another reader may be more lenient.
 */
export class LooseJson {
  readonly #strict: JsonText;
  readonly #found: RequestFault;
  readonly #mention = new WebhookNameSearch();
  readonly #decoder = new TextDecoder();
  #looksLikeJson: boolean | null = null;

  /** @param found what it is refused with when it holds a `webhook_url` */
  constructor(strict: JsonText, found: RequestFault) {
    this.#strict = strict;
    this.#found = found;
  }

  push(bytes: Uint8Array): RequestFault | null {
    if (this.#looksLikeJson === null) {
      // NUL and replacement characters: JSON in UTF-16, which some readers recognise by itself.
      const first = /[^\s\ufeff\ufffd\0]/.exec(this.#decoder.decode(bytes, { stream: true }))?.[0];
      if (first !== undefined) this.#looksLikeJson = first === '{' || first === '[';
    }
    if (this.#looksLikeJson === false) return null;
    this.#mention.push(bytes);
    return this.#named(this.#strict.push(bytes));
  }

  end(): RequestFault | null {
    if (this.#looksLikeJson !== true) return null;
    this.#mention.end();
    const fault = this.#strict.end();
    return this.#named(fault) ?? (fault !== null && this.#mention.found ? this.#found : null);
  }

  #named(fault: RequestFault | null): RequestFault | null {
    if (fault?.reason === 'json-too-large') return fault;
    return fault?.reason === 'webhook-url' ? this.#found : null;
  }
}
