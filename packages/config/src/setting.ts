import type { Secret } from './secret.ts';

/** What runs of the product. `standalone` is all of them in one, as `ideogate start` runs it; `cli` is any other command. */
export type Process = 'gateway' | 'issuer' | 'worker' | 'standalone' | 'cli';

interface Described {
  /** Variable of the environment. */
  readonly variable: string;
  /** A sentence or two for the operator, in Markdown. */
  readonly meaning: string;
  /** Where the docs say more: a heading of `docs/run.md`, or another page. */
  readonly more?: { readonly title: string; readonly target: string };
  readonly readBy: readonly Process[];
}

/** A whole number. */
export interface NumberSetting extends Described {
  readonly type: 'number';
  /** Null where the meaning says it. */
  readonly unit: string | null;
  readonly default: number;
  readonly min: number;
  readonly max: number;
  /** What a number outside the bounds is told in place of them; it goes on from the variable's name. */
  readonly rule?: string;
}

/** One of a few words. */
interface ChoiceSetting extends Described {
  readonly type: 'choice';
  readonly options: readonly string[];
  /** Null: not set. */
  readonly default: string | null;
  /** What any other word is told; it goes on from the variable's name. */
  readonly rule: string;
}

/** A text, of which its user makes more: a list joined by commas, the path of a file or folder, a URL. */
interface TextSetting extends Described {
  readonly type: 'text' | 'list' | 'path' | 'url';
  /** Null: not set. */
  readonly default: string | null;
  /** In words (Markdown), where the default is made of something else. */
  readonly defaultIs?: string;
  /** A value such as is wanted. */
  readonly example?: string;
  readonly form?: Form;
}

/** A text that is never shown. The same variable with `_FILE` may name the file that holds it. */
export interface SecretSetting extends Described {
  readonly type: 'secret';
  readonly form?: Form;
  /**
   * True where `_FILE` is a setting of its own, since whoever uses the secret opens the file and follows it, or makes it
   * when there is none. Else the file is read with the settings.
   */
  readonly hasFileSetting?: true;
}

/** What a text must be, as far as this package can tell. */
interface Form {
  readonly accepts: (text: string) => boolean;
  /** What any other text is told; it goes on from the variable's name, and never quotes the text. */
  readonly rule: string;
}

/** One line of the table: how its text is read, and what is told of it. */
export type Setting = NumberSetting | ChoiceSetting | TextSetting | SecretSetting;

/** What a setting is once it is read. */
export type ValueOf<S extends Setting> = S extends NumberSetting
  ? number
  : S extends { readonly type: 'choice'; readonly options: readonly (infer Option)[] }
    ? Option | (S extends { readonly default: null } ? null : never)
    : S extends SecretSetting
      ? Secret | null
      : S extends { readonly default: string }
        ? string
        : string | null;
