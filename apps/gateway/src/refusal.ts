import type { ProblemCode, Reason } from '@ideogate/contract';
import type { RequestFault } from '@ideogate/request-body';

/** A step's word that the call goes no further. What it can be is in `packages/contract/src/problems.ts`. */
export interface Refusal {
  /** What the caller is told; null when there is nobody left to tell. */
  readonly problem: ProblemCode | null;
  /** The exact reason, for the record only. */
  readonly reason: Reason;
  /** One sentence for the caller; never reflects a token, a prompt or an address. */
  readonly detail?: string;
  /** Header fields of the answer (`Allow`, `Retry-After`, `WWW-Authenticate`). */
  readonly headers?: Readonly<Record<string, string>>;
  /** Further members of the problem document (RFC 9457 section 3.2). */
  readonly members?: Readonly<Record<string, string | number | null>>;
}

/** A refusal that there is somebody to tell. */
export type ToldRefusal = Refusal & { readonly problem: ProblemCode };

/** Whether there is somebody to tell. */
export function isTold(refusal: Refusal): refusal is ToldRefusal {
  return refusal.problem !== null;
}

/** Whether a step, or all of them, answered with a refusal. */
export function isRefusal(answer: object): answer is Refusal {
  return 'problem' in answer;
}

/** The caller left before the call was decided. */
export const CLIENT_DISCONNECTED: Refusal = { problem: null, reason: 'caller-left' };

/** A broken bound as a refusal that names field, value and bound, and the rule of the release that sets it. */
export function refusalOf(
  fault: RequestFault,
  allowed: { readonly rule: string; readonly release: string } | null,
): Refusal {
  return {
    problem: fault.problem,
    reason: fault.reason,
    detail: fault.detail,
    members: {
      field: fault.field,
      bound: fault.bound,
      value: fault.value,
      rule: allowed?.rule ?? null,
      release: allowed?.release ?? null,
    },
  };
}
