import type { Field, JsonVisitor } from '@ideogate/contract';
import { DeclaredFields } from '../declared-fields.ts';
import { foldName } from '../folded-name.ts';
import { couldMean, FOLDED_DRY_RUN, FOLDED_WEBHOOK_URL } from '../guarded-names.ts';
import { type LimitedFields, MAX_BOUNDED_TEXT } from '../limited-fields.ts';
import {
  dryRunInBodyFault,
  fault,
  fieldFault,
  otherSpellingFault,
  type RequestFault,
  webhookFault,
} from '../request-fault.ts';
import { MAX_WATCHED_BYTES, memberNode, type WatchedFields, type WatchNode } from '../watched-fields.ts';
import { longestUrlBytes, WEBHOOK_URL, type WebhookUrls } from '../webhook-urls.ts';

/** What is known of a value from where it stands. */
interface ValueContext {
  /** Member names from the top, joined by dots; empty for the body itself and where nothing is known. */
  readonly path: string;
  /** The field that the value is of; null where the catalogue says nothing. */
  readonly field: Field | null;
  readonly watch: WatchNode | null;
  /** `body`: the body itself. `webhook-url`: its member of that name. */
  readonly role: 'body' | 'webhook-url' | 'item' | null;
}

/** What is known of an object or list that is being read. */
interface Container {
  /** Put before the names of its members; null in the body itself. */
  readonly path: string;
  readonly kind: 'object' | 'array';
  /** Its members, where the catalogue names them all. */
  readonly members: DeclaredFields | null;
  /** What is known of its items, in a list. */
  readonly item: ValueContext;
  readonly watch: WatchNode | null;
  /** Of the body itself. */
  readonly top: boolean;
}

const UNKNOWN_VALUE: ValueContext = { path: '', field: null, watch: null, role: null };
const UNKNOWN_OBJECT: Container = {
  path: '',
  kind: 'object',
  members: null,
  item: UNKNOWN_VALUE,
  watch: null,
  top: false,
};
const UNKNOWN_ARRAY: Container = { ...UNKNOWN_OBJECT, kind: 'array' };
const NO_MEMBERS = DeclaredFields.of([]);

/** What JSON is held against. */
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
  /** Objects and lists that are open, outermost first. */
  readonly #containers: Container[] = [];
  /** The value that comes next. */
  #next: ValueContext;

  /** Of a whole body; `fields` is null where the catalogue does not name them. */
  static ofBody(fields: readonly Field[] | null, rules: JsonRules): JsonFields {
    const body: ValueContext = { path: '', field: null, watch: rules.watched.tree(), role: 'body' };
    return new JsonFields(body, fields === null ? null : DeclaredFields.of(fields), rules);
  }

  /** Of the JSON text in one field of a form. */
  static ofField(name: string, field: Field | null, rules: JsonRules): JsonFields {
    const watch = memberNode(rules.watched.tree(), name);
    return new JsonFields({ path: name, field, watch, role: null }, null, rules);
  }

  private constructor(first: ValueContext, declared: DeclaredFields | null, rules: JsonRules) {
    this.#next = first;
    this.#declared = declared;
    this.#rules = rules;
  }

  name(name: string): void {
    if (this.fault !== null) return;
    const container = this.#containers.at(-1) ?? UNKNOWN_OBJECT;
    const folded = foldName(name);
    const meant = container.members?.meantBy(name, folded) ?? null;
    this.fault = this.#checkName(name, folded, meant, container);
    const watch = memberNode(container.watch, name);
    const field = meant?.name === name ? meant : null;
    const role = container.top && name === WEBHOOK_URL ? 'webhook-url' : null;
    this.#next =
      field === null && watch === null && role === null
        ? UNKNOWN_VALUE
        : { path: container.path + name, field, watch, role };
  }

  textLimit(): number {
    const { path, watch, role } = this.#beginValue();
    if (this.fault !== null) return 0;
    const watched = watch?.path == null ? 0 : MAX_WATCHED_BYTES;
    const compared = role === 'webhook-url' ? longestUrlBytes(this.#rules.webhookUrls) : 0;
    const bounded = this.#rules.limits?.bounds(path) === true ? MAX_BOUNDED_TEXT : 0;
    return Math.max(watched, compared, bounded);
  }

  text(value: string | null): void {
    if (this.fault !== null) return;
    const context = this.#next;
    if (context.role === 'webhook-url' && !(value !== null && this.#rules.webhookUrls.has(value))) {
      this.fault = webhookFault(this.#rules.webhookUrls);
      return;
    }
    if (context.watch?.path != null && value !== null) this.#rules.watched.found(context.watch.path, value);
    this.#checkScalar(context, value ?? undefined);
  }

  scalar(value: number | boolean | null): void {
    const context = this.#beginValue();
    if (this.fault !== null) return;
    // Without an address there is nothing to send to: null is the same as leaving it out.
    if (context.role === 'webhook-url' && value !== null) {
      this.fault = webhookFault(this.#rules.webhookUrls);
      return;
    }
    if (context.watch?.path != null && value !== null) this.#rules.watched.found(context.watch.path, value);
    this.#checkScalar(context, value);
  }

  openObject(): void {
    this.#enter('object');
  }

  openArray(): void {
    this.#enter('array');
  }

  close(): void {
    this.#containers.pop();
  }

  /** What is known of the value that begins now. */
  #beginValue(): ValueContext {
    const container = this.#containers.at(-1);
    if (container?.kind === 'array') {
      if (container.watch?.path != null) this.#rules.watched.found(container.watch.path, true);
      this.#next = container.item;
    }
    return this.#next;
  }

  #enter(kind: 'object' | 'array'): void {
    const context = this.#beginValue();
    if (context === UNKNOWN_VALUE) {
      this.#containers.push(kind === 'object' ? UNKNOWN_OBJECT : UNKNOWN_ARRAY);
      return;
    }
    this.fault ??= this.#checkStructure(context, kind);
    const { path, field, watch, role } = context;
    if (kind === 'object' && watch?.path != null) this.#rules.watched.found(watch.path, true);
    const inner = field?.fields === undefined ? null : DeclaredFields.of(field.fields);
    const list = kind === 'array' && field?.type === 'object[]';
    this.#containers.push({
      kind,
      path: path === '' ? '' : `${path}.`,
      members: kind === 'array' ? null : role === 'body' ? this.#bodyMembers() : inner,
      item: list ? { path, field, watch: null, role: 'item' } : UNKNOWN_VALUE,
      watch,
      top: role === 'body',
    });
  }

  #bodyMembers(): DeclaredFields | null {
    return this.#rules.limits === null ? this.#declared : (this.#declared ?? NO_MEMBERS);
  }

  /** @param meant the declared field that some reader takes the name for */
  #checkName(
    name: string,
    folded: string,
    meant: Field | null,
    { path, members, top }: Container,
  ): RequestFault | null {
    // Of `webhook_url` its value decides: null is harmless wherever it stands.
    if (top && name === WEBHOOK_URL) return null;
    if (couldMean(folded, FOLDED_WEBHOOK_URL)) return webhookFault(this.#rules.webhookUrls);
    if (this.#rules.quote && top && couldMean(folded, FOLDED_DRY_RUN)) return dryRunInBodyFault();
    if (meant !== null) {
      return meant.name === name ? null : otherSpellingFault('invalid-body', path + name, path + meant.name);
    }
    const unclear = unclearName(name, path);
    if (unclear !== null || members === null) return unclear;
    return this.#rules.limits?.unknownMember(path + name, members) ?? null;
  }

  #checkScalar(context: ValueContext, value: string | number | boolean | null | undefined): void {
    const { limits } = this.#rules;
    if (limits === null || context === UNKNOWN_VALUE) return;
    const { path, field, role } = context;
    if (role === 'body') this.fault = bodyNoObject();
    else if (field === null) return;
    else if (role === 'item') this.fault = limits.wrongItem(path, field);
    else this.fault = limits.scalar(path, field, value);
  }

  #checkStructure({ path, field, role }: ValueContext, kind: 'object' | 'array'): RequestFault | null {
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
