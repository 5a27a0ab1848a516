import { type KillEntry, type KillKind, nameOfEntry } from './kill-entry.ts';

/** The entries a gateway knows, and what they stop. */
export class Orders {
  readonly #entries = new Map<string, KillEntry>();
  /** By what is stopped, ids of the orders that no revival undoes. */
  readonly #stopped = new Map<string, Set<string>>();

  /** @returns true when it was new */
  add(entry: KillEntry): boolean {
    const name = nameOfEntry(entry);
    if (this.#entries.has(name)) return false;
    this.#entries.set(name, entry);
    // One entry changes one target: with thousands of them, going through all for each would hold up every call.
    const order = this.#entries.get(nameOfEntry({ id: entry.id, what: 'kill' }));
    if (order === undefined) return true;
    const target = nameOf(order.kind, order.target);
    const ids = this.#stopped.get(target) ?? new Set();
    if (this.#entries.has(nameOfEntry({ id: entry.id, what: 'revive' }))) ids.delete(entry.id);
    else ids.add(entry.id);
    if (ids.size > 0) this.#stopped.set(target, ids);
    else this.#stopped.delete(target);
    return true;
  }

  entries(): readonly KillEntry[] {
    return [...this.#entries.values()];
  }

  inForce(): readonly KillEntry[] {
    return inForce(this.entries());
  }

  /**
   * What stops a call, or null. Asked for every call: costs nothing while there is no order.
   * @param actor who acts for the subject
   */
  stops(
    environment: string,
    key: string | null,
    subject: string | null,
    actor: string | null,
  ): KillKind | null {
    if (this.#stopped.size === 0) return null;
    if (this.#stopped.has(nameOf('environment', environment))) return 'environment';
    if (key !== null && this.#stopped.has(nameOf('key', key))) return 'key';
    for (const caller of [subject, actor])
      if (caller !== null && this.#stopped.has(nameOf('caller', caller))) return 'caller';
    return null;
  }
}

/** Orders that no revival undoes. */
export function inForce(entries: readonly KillEntry[]): readonly KillEntry[] {
  const undone = new Set(entries.filter(({ what }) => what === 'revive').map(({ id }) => id));
  return entries.filter(({ what, id }) => what === 'kill' && !undone.has(id));
}

function nameOf(kind: KillKind, target: string): string {
  return `${kind} ${target}`;
}
