import { type Kill, type KillKind, nameOfKill } from './kill.ts';

/** The kills and lifts that a gateway knows, and what they stop. */
export class Kills {
  readonly #known = new Map<string, Kill>();
  /** By what is stopped, ids of the kills that nothing lifts. */
  readonly #stopped = new Map<string, Set<string>>();

  /** @returns true when it was new */
  add(kill: Kill): boolean {
    const name = nameOfKill(kill);
    if (this.#known.has(name)) return false;
    this.#known.set(name, kill);
    // One of them changes one target: with thousands of them, going through all for each would hold up every call.
    const first = this.#known.get(nameOfKill({ id: kill.id, what: 'kill' }));
    if (first === undefined) return true;
    const target = nameOf(first.kind, first.target);
    const ids = this.#stopped.get(target) ?? new Set();
    if (this.#known.has(nameOfKill({ id: kill.id, what: 'revive' }))) ids.delete(kill.id);
    else ids.add(kill.id);
    if (ids.size > 0) this.#stopped.set(target, ids);
    else this.#stopped.delete(target);
    return true;
  }

  /** Kills and lifts, in the order in which they became known. */
  all(): readonly Kill[] {
    return [...this.#known.values()];
  }

  /** Kills that nothing lifts. */
  active(): readonly Kill[] {
    return activeKills(this.all());
  }

  /**
   * What stops a call, or null. Asked for every call: costs nothing while there is no kill.
   * @param key id of the key that the call would go out with
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

/** Of kills and lifts, the kills that nothing lifts. */
export function activeKills(kills: readonly Kill[]): readonly Kill[] {
  const lifted = new Set(kills.filter(({ what }) => what === 'revive').map(({ id }) => id));
  return kills.filter(({ what, id }) => what === 'kill' && !lifted.has(id));
}

function nameOf(kind: KillKind, target: string): string {
  return `${kind} ${target}`;
}
