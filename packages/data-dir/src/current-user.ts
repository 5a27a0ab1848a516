import { hostname, userInfo } from 'node:os';

/** The account that runs this process, and its host. An account without a name, as containers have, is its number. */
export function currentUser(): string {
  try {
    return `${userInfo().username}@${hostname()}`;
  } catch {
    return `uid ${process.getuid?.()}@${hostname()}`;
  }
}
