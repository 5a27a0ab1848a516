import { PROBLEMS } from '@ideogate/contract';
import type { Call } from '../call.ts';
import type { Gateway } from '../context.ts';
import { answerFields } from './answer-fields.ts';
import type { ToldRefusal } from '../refusal.ts';

/** A refusal as it goes on the wire: status, fields and body (RFC 9457). */
export interface ProblemAnswer {
  readonly status: number;
  readonly fields: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * `message` and `error` repeat the sentence because that is where Ideogram clients look.
 */
export function problemAnswer(refusal: ToldRefusal, call: Call, { config }: Gateway): ProblemAnswer {
  const { status, title, remedy } = PROBLEMS[refusal.problem];
  const sentence = refusal.detail ?? `${title}.`;
  const body = JSON.stringify({
    type: `${config.identifier}/-/problems/${refusal.problem}`,
    title,
    status,
    detail: sentence,
    instance: `urn:uuid:${call.id}`,
    code: refusal.problem,
    call_id: call.id,
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
      ...answerFields(call),
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
