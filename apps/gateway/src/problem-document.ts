import { PROBLEMS, type ProblemCode } from '@ideogate/contract';
import type { Refusal } from './refusal.ts';

/** A refusal as it goes on the wire: status, fields and body (RFC 9457). */
export interface ProblemAnswer {
  readonly status: number;
  readonly fields: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * `message` and `error` repeat the sentence because that is where Ideogram clients look.
 */
export function problemAnswer(
  refusal: Refusal & { readonly problem: ProblemCode },
  callId: string,
  identifier: string,
): ProblemAnswer {
  const { status, title, remedy } = PROBLEMS[refusal.problem];
  const sentence = refusal.detail ?? `${title}.`;
  const body = JSON.stringify({
    type: `${identifier.replace(/\/$/, '')}/-/problems/${refusal.problem}`,
    title,
    status,
    detail: sentence,
    instance: `urn:uuid:${callId}`,
    code: refusal.problem,
    call_id: callId,
    remedy,
    message: sentence,
    error: sentence,
    ...withoutNulls(refusal.members ?? {}),
  });
  return {
    status,
    fields: {
      'content-type': 'application/problem+json',
      'content-length': String(Buffer.byteLength(body)),
      'cache-control': 'no-store',
      'ideogate-call-id': callId,
      ...refusal.headers,
    },
    body,
  };
}

function withoutNulls(
  members: Readonly<Record<string, string | number | null>>,
): Record<string, string | number> {
  return Object.fromEntries(
    Object.entries(members).filter((entry): entry is [string, string | number] => entry[1] !== null),
  );
}
