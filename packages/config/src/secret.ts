import { inspect } from 'node:util';

/** A text that shows itself to nobody who doesn't ask for it: printed, inspected or made JSON, it is `(hidden)`. */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return HIDDEN;
  }

  toJSON(): string {
    return HIDDEN;
  }

  [inspect.custom](): string {
    return HIDDEN;
  }
}

/** What is shown in place of a secret. */
export const HIDDEN = '(hidden)';
