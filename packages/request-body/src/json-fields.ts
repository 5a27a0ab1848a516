import type { Field, JsonVisitor } from '@ideogate/contract';
import { DeclaredFields } from './declared-fields.ts';
import { type LimitedFields, MAX_BOUNDED_TEXT } from './limited-fields.ts';
import { lettersOf } from './name-letters.ts';
import { longestOf, WEBHOOK_URL, type WebhookUrls } from './own-webhook.ts';
import {
  anotherSpelling,
  dryRunInBody,
  fault,
  fieldFault,
  type RequestFault,
  webhookFault,
} from './request-fault.ts';
import { MAX_WATCHED_BYTES, memberOf, type WatchedFields, type WatchNode } from './watched-fields.ts';
import { couldMean, DRY_RUN_LETTERS, WEBHOOK_LETTERS } from './webhook-name.ts';

/** What is known of the place where a value stands. */
interface Place {
  /** Member names from the top, joined by dots; empty for the body itself and where nothing is known. */
  readonly path: string;
  /** The field that the value is of; null where the catalogue says nothing. */
  readonly field: Field | null;
  readonly watch: WatchNode | null;
  /** `body`: the body itself. `webhook-url`: its member of that name. */
  readonly role: 'body' | 'webhook-url' | 'item' | null;
}

/** What is known of an object or list that is being read. */
interface Inside {
  /** Put before the names of its members; null in the body itself. */
  readonly path: string;
  readonly kind: 'object' | 'array';
  /** Its members, where the catalogue names them all. */
  readonly members: DeclaredFields | null;
  /** Where its items stand, in a list. */
  readonly item: Place;
  readonly watch: WatchNode | null;
  /** Of the body itself. */
  readonly top: boolean;
}

const ANYWHERE: Place = { path: '', field: null, watch: null, role: null };
const SOME_OBJECT: Inside = {
  path: '',
  kind: 'object',
  members: null,
  item: ANYWHERE,
  watch: null,
  top: false,
};
const SOME_ARRAY: Inside = { ...SOME_OBJECT, kind: 'array' };
const NO_MEMBERS = DeclaredFields.of([]);

export interface JsonRules {
  /** Null for a caller with the full grant. */
  readonly limits: LimitedFields | null;
  readonly watched: WatchedFields;
  /** What `webhook_url` may name as a member of the body; nothing in a part of a form. */
  readonly webhookUrls: WebhookUrls;
  /** The body may not name `dry_run`. */
  readonly quote: boolean;
}

/**
 * Holds JSON against what is allowed while it is read: every name and every bounded value as it comes, so that nothing is
 * left to be done at the end. Of the text only what is watched or compared is ever kept.
 */
export class JsonFields implements JsonVisitor {
  /** The first fault; what comes after it is not looked at. */
  fault: RequestFault | null = null;
  readonly #rules: JsonRules;
  /** Fields of the body itself; null where the catalogue does not name them. */
  readonly #declared: DeclaredFields | null;
  readonly #open: Inside[] = [];
  /** Where the next value stands. */
  #place: Place;

  /** Of a whole body. */
  static ofBody(fields: readonly Field[] | null, rules: JsonRules): JsonFields {
    const place: Place = { path: '', field: null, watch: rules.watched.tree(), role: 'body' };
    return new JsonFields(place, fields === null ? null : DeclaredFields.of(fields), rules);
  }

  /** Of the JSON text in one field of a form. */
  static ofField(name: string, field: Field | null, rules: JsonRules): JsonFields {
    const watch = memberOf(rules.watched.tree(), name);
    return new JsonFields({ path: name, field, watch, role: null }, null, rules);
  }

  private constructor(place: Place, declared: DeclaredFields | null, rules: JsonRules) {
    this.#place = place;
    this.#declared = declared;
    this.#rules = rules;
  }

  name(name: string): void {
    if (this.fault !== null) return;
    const inside = this.#open.at(-1) ?? SOME_OBJECT;
    const letters = lettersOf(name);
    const meant = inside.members?.meantBy(name, letters) ?? null;
    this.fault = this.#checkName(name, letters, meant, inside);
    const watch = memberOf(inside.watch, name);
    const field = meant?.name === name ? meant : null;
    const role = inside.top && name === WEBHOOK_URL ? 'webhook-url' : null;
    this.#place =
      field === null && watch === null && role === null
        ? ANYWHERE
        : { path: inside.path + name, field, watch, role };
  }

  textLimit(): number {
    const { path, watch, role } = this.#takePlace();
    if (this.fault !== null) return 0;
    const watched = watch?.path == null ? 0 : MAX_WATCHED_BYTES;
    const compared = role === 'webhook-url' ? longestOf(this.#rules.webhookUrls) : 0;
    const bounded = this.#rules.limits?.bounds(path) === true ? MAX_BOUNDED_TEXT : 0;
    return Math.max(watched, compared, bounded);
  }

  text(value: string | null): void {
    if (this.fault !== null) return;
    const place = this.#place;
    if (place.role === 'webhook-url' && !(value !== null && this.#rules.webhookUrls.has(value))) {
      this.fault = webhookFault(this.#rules.webhookUrls);
      return;
    }
    if (place.watch?.path != null && value !== null) this.#rules.watched.found(place.watch.path, value);
    this.#checkScalar(place, value ?? undefined);
  }

  scalar(value: number | boolean | null): void {
    const place = this.#takePlace();
    if (this.fault !== null) return;
    // Without an address there is nothing to send to: null is the same as leaving it out.
    if (place.role === 'webhook-url' && value !== null) {
      this.fault = webhookFault(this.#rules.webhookUrls);
      return;
    }
    if (place.watch?.path != null && value !== null) this.#rules.watched.found(place.watch.path, value);
    this.#checkScalar(place, value);
  }

  openObject(): void {
    this.#enter('object');
  }

  openArray(): void {
    this.#enter('array');
  }

  close(): void {
    this.#open.pop();
  }

  /** Where the value stands that begins now. */
  #takePlace(): Place {
    const inside = this.#open.at(-1);
    if (inside?.kind === 'array') {
      if (inside.watch?.path != null) this.#rules.watched.found(inside.watch.path, true);
      this.#place = inside.item;
    }
    return this.#place;
  }

  #enter(kind: 'object' | 'array'): void {
    const place = this.#takePlace();
    if (place === ANYWHERE) {
      this.#open.push(kind === 'object' ? SOME_OBJECT : SOME_ARRAY);
      return;
    }
    this.fault ??= this.#checkStructure(place, kind);
    const { path, field, watch, role } = place;
    if (kind === 'object' && watch?.path != null) this.#rules.watched.found(watch.path, true);
    const inner = field?.fields === undefined ? null : DeclaredFields.of(field.fields);
    const list = kind === 'array' && field?.type === 'object[]';
    this.#open.push({
      kind,
      path: path === '' ? '' : `${path}.`,
      members: kind === 'array' ? null : role === 'body' ? this.#bodyMembers() : inner,
      item: list ? { path, field, watch: null, role: 'item' } : ANYWHERE,
      watch,
      top: role === 'body',
    });
  }

  #bodyMembers(): DeclaredFields | null {
    return this.#rules.limits === null ? this.#declared : (this.#declared ?? NO_MEMBERS);
  }

  /** @param meant the declared field that some reader takes the name for */
  #checkName(name: string, letters: string, meant: Field | null, inside: Inside): RequestFault | null {
    const { path, members, top } = inside;
    // Of `webhook_url` its value decides: null is harmless wherever it stands.
    if (top && name === WEBHOOK_URL) return null;
    if (couldMean(letters, WEBHOOK_LETTERS)) return webhookFault(this.#rules.webhookUrls);
    if (this.#rules.quote && top && couldMean(letters, DRY_RUN_LETTERS)) return dryRunInBody();
    if (meant !== null) {
      return meant.name === name ? null : anotherSpelling('invalid-body', path + name, path + meant.name);
    }
    const unclear = unclearName(name, path);
    if (unclear !== null || members === null) return unclear;
    return this.#rules.limits?.unknownMember(path + name, members) ?? null;
  }

  #checkScalar(place: Place, value: string | number | boolean | null | undefined): void {
    const { limits } = this.#rules;
    if (limits === null || place === ANYWHERE) return;
    if (place.role === 'body') this.fault = bodyNoObject();
    else if (place.field === null) return;
    else if (place.role === 'item') this.fault = limits.wrongItem(place.path, place.field);
    else this.fault = limits.scalar(place.path, place.field, value);
  }

  #checkStructure({ path, field, role }: Place, kind: 'object' | 'array'): RequestFault | null {
    if (role === 'webhook-url') return webhookFault(this.#rules.webhookUrls);
    const { limits } = this.#rules;
    if (limits === null) return null;
    if (role === 'body') return kind === 'object' ? null : bodyNoObject();
    if (field === null) return null;
    if (role === 'item') return kind === 'object' ? null : limits.wrongItem(path, field);
    return limits.structure(path, field, kind);
  }
}

/** A name that is one thing to one reader, and another to the next. */
function unclearName(name: string, path: string): RequestFault | null {
  const what =
    name === '__proto__'
      ? '__proto__ is no member to readers that copy an object, but what it inherits from.'
      : holdsControl(name)
        ? 'The name of a member holds a control character, where some readers end it.'
        : null;
  return what === null
    ? null
    : { ...fieldFault('unclear-name', path + name, `${what} Leave it out.`), problem: 'invalid-body' };
}

function holdsControl(name: string): boolean {
  for (let at = 0; at < name.length; at++) {
    const unit = name.charCodeAt(at);
    if (unit < 0x20 || unit === 0x7f) return true;
  }
  return false;
}

function bodyNoObject(): RequestFault {
  return fault('invalid-body', 'wrong-type', 'Under write:limited the JSON body must be an object.');
}
