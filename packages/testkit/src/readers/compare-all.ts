import type { Operation } from '@ideogate/contract';
import { disagreements } from './compare.ts';
import { formCases } from './form-cases.ts';
import { partsSeen, type SeenPart, verdictOf } from './our-reading.ts';
import type { Frame } from './programs/frames.ts';
import type { ReaderProgram } from './reader.ts';
import { type RunningReader, startReader } from './reader-process.ts';

/** What one reader made of the forms that passed. */
export interface ReaderResult {
  readonly name: string;
  readonly version: string;
  readonly read: number;
  /** Forms that it read as the gateway did. */
  readonly agreed: number;
  /** Forms that it gave up on, having seen nothing else than the gateway. */
  readonly gaveUp: number;
  readonly disagreements: readonly Disagreement[];
  /** Why it gave up, and how often. */
  readonly reasons: ReadonlyMap<string, number>;
}

export interface Disagreement {
  readonly frame: Frame;
  readonly faults: readonly string[];
}

/** A form that passed, and for whom: what passes for a caller under bounds passes for every caller. */
export interface Passed {
  readonly operation: Operation;
  readonly frame: Frame;
  readonly limited: boolean;
  readonly parts: readonly SeenPart[];
}

/** Forms of a seed that passed, until there are `count`, and how many were made for them. */
export function passedForms(
  seed: number,
  count: number,
): { readonly passed: readonly Passed[]; readonly made: number } {
  const passed: Passed[] = [];
  let made = 0;
  for (const { operation, frame } of formCases(seed)) {
    made++;
    if (frame.body.length === 0 || verdictOf(operation, 'full', frame) !== null) continue;
    const limited = operation.limited !== null && verdictOf(operation, 'limited', frame) === null;
    passed.push({ operation, frame, limited, parts: partsSeen(operation, frame) });
    if (passed.length >= count) break;
  }
  return { passed, made };
}

/** How many forms a reader holds at once. */
const AHEAD = 32;

/** Lets a reader read all forms, and holds what it saw against what the gateway did. @throws when it doesn't start. */
export async function readAll(program: ReaderProgram, passed: readonly Passed[]): Promise<ReaderResult> {
  const reader = await startReader(program);
  try {
    return await compared(program, reader, passed);
  } finally {
    await reader.close();
  }
}

async function compared(
  { name, ways }: ReaderProgram,
  reader: RunningReader,
  passed: readonly Passed[],
): Promise<ReaderResult> {
  const found: Disagreement[] = [];
  const reasons = new Map<string, number>();
  let gaveUp = 0;
  for (let at = 0; at < passed.length; at += AHEAD) {
    const some = passed.slice(at, at + AHEAD);
    const answers = await Promise.all(some.map(({ frame }) => reader.read(frame)));
    some.forEach(({ frame, operation, limited, parts }, index) => {
      const answer = answers[index];
      if (answer === undefined) return;
      const faults = disagreements(answer, parts, ways, operation, limited);
      if (faults.length > 0) found.push({ frame, faults });
      else if (answer.refused !== undefined) {
        gaveUp++;
        const reason = answer.refused.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 80);
        reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
      }
    });
  }
  const { version } = reader;
  const agreed = passed.length - gaveUp - found.length;
  return { name, version, read: passed.length, agreed, gaveUp, disagreements: found, reasons };
}
