import { faultOf } from '@ideogate/contract';
import type { Call } from '../call.ts';
import type { Gateway } from '../context.ts';
import type { Refusal } from '../refusal.ts';

/** Takes a call that has what it needs, and gives it back with more, or says why it goes no further. */
export type Step<Before extends Call, After extends Before> = (
  call: Before,
  gateway: Gateway,
) => After | Refusal | Promise<After | Refusal>;

/** Lets a call go on as it is, or says why not. */
export type Check<Before extends Call> = (
  call: Before,
  gateway: Gateway,
) => Refusal | null | Promise<Refusal | null>;

type AnyStep = (call: never, gateway: Gateway) => unknown;

/** Steps in their order: the compiler sees to it that each comes behind those that find out what it needs. */
export class Pipeline<Start extends Call, End extends Start> {
  readonly #steps: readonly AnyStep[];

  private constructor(steps: readonly AnyStep[]) {
    this.#steps = steps;
  }

  static of<Start extends Call>(): Pipeline<Start, Start> {
    return new Pipeline([]);
  }

  step<After extends End>(step: Step<End, After>): Pipeline<Start, After> {
    return new Pipeline([...this.#steps, step]);
  }

  check(check: Check<End>): Pipeline<Start, End> {
    return new Pipeline([...this.#steps, check]);
  }

  /** Stops at the first refusal. A step that fails is a fault of ours, and refuses (500). Never rejects. */
  async walk(call: Start, gateway: Gateway): Promise<End | Refusal> {
    try {
      for (const step of this.#steps) {
        const answer = step(call as never, gateway); // as: each step that came before has given the call what its type says
        const said = answer instanceof Promise ? await answer : answer;
        if (said !== null && said !== call) return said as Refusal; // as: a step gives back nothing else
      }
      return call as unknown as End; // as: it is what the last step gave back
    } catch (error) {
      gateway.log.error({ call_id: call.id, error: faultOf(error) }, 'a step failed');
      return { problem: 'internal-error', reason: 'step-failed' };
    }
  }
}
