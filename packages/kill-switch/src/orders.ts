import { type KillEntry, type KillKind, nameOfEntry } from './kill-entry.ts';

/** The entries a gateway knows, and what they stop. */
export class Orders {
  readonly #entries = new Map<string, KillEntry>();
  readonly #stopped = new Map<string, KillEntry>();

  /** @returns true when it was new */
  add(entry: KillEntry): boolean {
    const name = nameOfEntry(entry);
    if (this.#entries.has(name)) return false;
    this.#entries.set(name, entry);
    this.#stopped.clear();
    for (const order of inForce([...this.#entries.values()]))
      this.#stopped.set(nameOf(order.kind, order.target), order);
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
