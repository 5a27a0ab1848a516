import { type Claim, FairPool } from '@ideogate/fair-share';

/** Tokens in the making: more at once are made no sooner. */
const AT_ONCE = 16;
/** Requests of one client that may wait. */
const MOST_WAITING_OF_ONE = 256;
const MOST_WAITING = 1024;
const WAITS_AT_MOST_MS = 2000;

/** A place among the tokens in the making, which `done` gives back; or why there is none. */
export type Turn =
  | { readonly ok: true; done(): void }
  | { readonly ok: false; readonly reason: 'client-waiting' | 'overloaded' };

interface Request extends Claim {
  begin(): void;
}

/** Who is given a token next: so many at once, shared out fairly over clients, and who waits too long is told so. */
export class Turns {
  readonly #pool = new FairPool<Request>(AT_ONCE);

  get inFlight(): number {
    return this.#pool.held + this.#pool.waiting;
  }

  take(clientId: string): Promise<Turn> {
    if (this.#pool.standing(clientId).waiting >= MOST_WAITING_OF_ONE)
      return Promise.resolve({ ok: false, reason: 'client-waiting' });
    if (this.#pool.waiting >= MOST_WAITING) return Promise.resolve({ ok: false, reason: 'overloaded' });
    return new Promise((resolve) => {
      const claim: Request = {
        key: clientId,
        units: 1,
        begin: () => {
          clearTimeout(timer);
          resolve({ ok: true, done: () => this.#giveBack(claim) });
        },
      };
      const timer = setTimeout(() => {
        this.#giveBack(claim);
        resolve({ ok: false, reason: 'overloaded' });
      }, WAITS_AT_MOST_MS);
      if (this.#pool.claim(claim).granted) claim.begin();
    });
  }

  #giveBack(claim: Request): void {
    this.#pool.release(claim);
    for (const next of this.#pool.grantWaiting()) next.begin();
  }
}
