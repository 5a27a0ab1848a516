import { hostname, userInfo } from 'node:os';

/** The account of the system and its host. An account without a name, as containers have, is its number. */
export function whoever(): string {
  try {
    return `${userInfo().username}@${hostname()}`;
  } catch {
    return `uid ${process.getuid?.()}@${hostname()}`;
  }
}
