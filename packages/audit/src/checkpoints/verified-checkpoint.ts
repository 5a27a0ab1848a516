import type { Session } from '@ideogate/postgres';
import { checkpointsBefore, END_OF_NUMBERS, type StoredCheckpoint } from './checkpoint-store.ts';
import { type Checkpoint, hashOfCheckpoint, parseCheckpoint } from './checkpoint.ts';
import { readNote, type VerifierKey, verifyNote } from './note.ts';

const LOOK_AT = 1_000;

/** A checkpoint that one of our keys signed, or that such a one vouches for. */
export interface VerifiedCheckpoint {
  readonly text: string;
  readonly checkpoint: Checkpoint;
}

/** @param vouched the hash that a later, verified checkpoint gives of the one before it */
export function verifiedCheckpoint(
  { number, note }: StoredCheckpoint,
  known: readonly VerifierKey[],
  vouched: string | null,
): VerifiedCheckpoint | null {
  const opened = readNote(note);
  const checkpoint = opened && parseCheckpoint(opened.text);
  if (opened === null || checkpoint?.number !== number) return null;
  const signed = verifyNote(opened, known) === 'signed' || hashOfCheckpoint(opened.text) === vouched;
  return signed ? { text: opened.text, checkpoint } : null;
}

/** The newest checkpoint that is signed, null when there is none; not what somebody put in far ahead of it. */
export async function newestVerified(
  reader: Session,
  known: readonly VerifierKey[],
): Promise<Checkpoint | null> {
  let before = END_OF_NUMBERS;
  for (;;) {
    const stored = await checkpointsBefore(reader, before, LOOK_AT);
    for (const one of stored) {
      const found = verifiedCheckpoint(one, known, null);
      if (found !== null) return found.checkpoint;
    }
    before = stored.at(-1)?.number ?? 0;
    if (before === 0) return null;
  }
}
