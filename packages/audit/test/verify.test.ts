import type { Client } from 'pg';
import { describe, expect, test } from 'vitest';
import { checkpointOf, checkpointText, hashOfCheckpoint } from '../src/checkpoints/checkpoint.ts';
import { openCheckpointKeys } from '../src/checkpoints/index.ts';
import { hashEvent } from '../src/index.ts';
import { makeSigningKey, signNote } from '../src/checkpoints/note.ts';
import { readChain } from './chain-of.ts';
import {
  changed,
  event,
  exportOf,
  inDatabase,
  insert,
  move,
  notesOf,
  RANDOM_HASH,
  rehash,
  sample,
  short,
  signedAt,
  SOONER,
  tamper,
  useSample,
  verify,
} from './verify-sample.ts';

const OTHER_WRITER = '00000000-0000-4000-8000-00000000000f';

useSample();

interface Tampering {
  readonly what: string;
  readonly tamper: (client: Client) => Promise<unknown>;
  /** Fault, writer, seq. */
  readonly faults: () => readonly (readonly (string | number | null)[])[];
  /** Whether the checkpoints kept elsewhere are at hand. */
  readonly kept?: boolean;
  readonly of?: () => string;
}

const TAMPERINGS: readonly Tampering[] = [
  {
    what: 'a column of an event is changed',
    tamper: (client) => changed(`subject = 'nobody' WHERE ${event(sample.open, 5)}`)(client),
    faults: () => [['changed', sample.open, 5]],
  },
  {
    what: 'a column that was empty is filled',
    tamper: (client) => changed(`problem = 'x' WHERE ${event(sample.closed, 3)}`)(client),
    faults: () => [['changed', sample.closed, 3]],
  },
  {
    what: 'the hash of an event is changed',
    tamper: (client) => changed(`hash = ${RANDOM_HASH} WHERE ${event(sample.open, 6)}`)(client),
    faults: () => [['changed', sample.open, 6]],
  },
  {
    what: 'the hash of an event that a checkpoint fixes is changed, which is told once',
    tamper: (client) => changed(`hash = ${RANDOM_HASH} WHERE ${event(sample.open, 9)}`)(client),
    faults: () => [['changed', sample.open, 9]],
  },
  {
    what: 'an event is changed, and its hash computed again',
    tamper: async (client) => {
      await changed(`cost_usd_micros = 1 WHERE ${event(sample.open, 5)}`)(client);
      await rehash(client, sample.open, 5, 5);
    },
    faults: () => [['changed', sample.open, 5]],
  },
  {
    what: 'an event is changed, and all hashes after it computed again',
    tamper: async (client) => {
      await changed(`subject = 'nobody' WHERE ${event(sample.open, 5)}`)(client);
      await rehash(client, sample.open, 5);
    },
    // The first checkpoint that contradicts is the one made after four calls.
    faults: () => [['changed', sample.open, 9]],
  },
  {
    what: 'an event is removed',
    tamper: (client) => client.query(`DELETE FROM ideogate.audit_event WHERE ${event(sample.open, 5)}`),
    faults: () => [['removed', sample.open, 5]],
  },
  {
    what: 'the beginning of a chain is removed',
    tamper: (client) =>
      client.query(`DELETE FROM ideogate.audit_event WHERE writer = '${sample.closed}' AND seq <= 3`),
    faults: () => [['removed', sample.closed, 1]],
  },
  {
    what: 'an event is removed, and those after it moved up',
    tamper: async (client) => {
      await client.query(`DELETE FROM ideogate.audit_event WHERE ${event(sample.closed, 6)}`);
      await move(client, sample.closed, 6, -1);
    },
    faults: () => [['removed', sample.closed, 6]],
  },
  {
    what: 'an event is removed, those after it moved up, and all hashes computed again',
    tamper: async (client) => {
      await client.query(`DELETE FROM ideogate.audit_event WHERE ${event(sample.closed, 6)}`);
      await move(client, sample.closed, 6, -1);
      await rehash(client, sample.closed, 6);
    },
    faults: () => [['cut-off', sample.closed, 14]],
  },
  {
    what: 'a checkpoint is removed',
    tamper: (client) => client.query('DELETE FROM ideogate.checkpoint WHERE number = 3'),
    faults: () => [['removed', null, 3]],
  },
  {
    what: 'an event is slipped in beside another',
    tamper: (client) =>
      insert(client, sample.open, 5, { at: SOONER, subject: `'nobody'`, hash: RANDOM_HASH }),
    faults: () => [['inserted', sample.open, 5]],
  },
  {
    what: 'an event is slipped in between two, and those after it moved down',
    tamper: async (client) => {
      await move(client, sample.closed, 5, 1);
      await insert(client, sample.closed, 5, { seq: '6', subject: `'nobody'`, hash: RANDOM_HASH });
    },
    faults: () => [['inserted', sample.closed, 6]],
  },
  {
    what: 'an event is added to a chain that was closed',
    tamper: (client) => insert(client, sample.closed, 14, { seq: '15', kind: `'notice'` }),
    faults: () => [['inserted', sample.closed, 15]],
  },
  {
    what: 'an event that follows with the right hashes is added to a chain that was closed',
    tamper: async (client) => {
      await insert(client, sample.closed, 14, { seq: '15', result: `'record-read'` });
      await rehash(client, sample.closed, 15);
    },
    faults: () => [['inserted', sample.closed, 15]],
  },
  {
    what: 'a chain that nobody opened is added, with the right hashes',
    tamper: async (client) => {
      await insert(client, sample.closed, 14, {
        writer: `'${OTHER_WRITER}'`,
        seq: '1',
        at: 'now()',
        result: `'record-read'`,
        prev_hash: `decode(repeat('00', 32), 'hex')`,
      });
      await rehash(client, OTHER_WRITER, 1);
    },
    faults: () => [['inserted', OTHER_WRITER, 1]],
  },
  {
    what: 'an event that fits nothing is added to an open chain',
    tamper: (client) => insert(client, sample.open, 4, { seq: '22', at: 'now()' }),
    faults: () => [['inserted', sample.open, 22]],
  },
  {
    what: 'a chain that nobody opened is added',
    tamper: (client) =>
      insert(client, sample.open, 4, { writer: `'${OTHER_WRITER}'`, seq: '1', at: 'now()' }),
    faults: () => [['inserted', OTHER_WRITER, 1]],
  },
  {
    what: 'two events are exchanged',
    tamper: (client) => changed(`seq = 11 - seq WHERE writer = '${sample.open}' AND seq IN (5, 6)`)(client),
    faults: () => [['reordered', sample.open, 5]],
  },
  {
    what: 'two events far apart are exchanged',
    tamper: (client) => changed(`seq = 14 - seq WHERE writer = '${sample.open}' AND seq IN (3, 11)`)(client),
    faults: () => [
      ['reordered', sample.open, 3],
      ['reordered', sample.open, 11],
    ],
  },
  {
    what: 'the times of two events are exchanged',
    tamper: (client) =>
      changed(`at = (SELECT o.at FROM ideogate.audit_event o WHERE o.writer = audit_event.writer AND o.seq = 13 - audit_event.seq)
        WHERE writer = '${sample.open}' AND seq IN (4, 9)`)(client),
    faults: () => [['reordered', sample.open, 4]],
  },
  {
    what: 'the end of a chain is cut off',
    tamper: (client) =>
      client.query(`DELETE FROM ideogate.audit_event WHERE writer = '${sample.open}' AND seq > 15`),
    faults: () => [['cut-off', sample.open, 16]],
  },
  {
    what: 'a whole chain is removed',
    tamper: (client) => client.query(`DELETE FROM ideogate.audit_event WHERE writer = '${sample.closed}'`),
    faults: () => [['cut-off', sample.closed, 1]],
  },
  {
    what: 'two sound events stand at one place',
    tamper: async (client) => {
      const fifth = (await readChain(client, sample.open)).find(({ seq }) => seq === 5n);
      if (fifth === undefined) throw new Error('no such event');
      const other = { ...fifth, subject: 'nobody', atMicros: fifth.atMicros + 1n };
      await insert(client, sample.open, 5, {
        at: `at + interval '1 microsecond'`,
        subject: `'nobody'`,
        hash: `decode('${hashEvent(other)}', 'hex')`,
      });
    },
    faults: () => [['forked', sample.open, 5]],
  },
  {
    what: 'a checkpoint is changed',
    tamper: (client) =>
      client.query(
        `UPDATE ideogate.checkpoint SET note = replace(note, 'time 2', 'time 3') WHERE number = 3`,
      ),
    faults: () => [['forged-checkpoint', null, 3]],
  },
  {
    what: 'the signature of a checkpoint is changed, though later ones vouch for its text',
    tamper: async (client) => {
      const third = (await notesOf(client))[2] ?? '';
      const at = third.length - 20;
      const other = third[at] === 'A' ? 'B' : 'A';
      await client.query('UPDATE ideogate.checkpoint SET note = $1 WHERE number = 3', [
        `${third.slice(0, at)}${other}${third.slice(at + 1)}`,
      ]);
    },
    faults: () => [['forged-checkpoint', null, 3]],
  },
  {
    what: 'a checkpoint in the middle is put in place that another key signed',
    tamper: async (client) => {
      const third = checkpointOf((await notesOf(client))[2] ?? '');
      if (third === null) throw new Error('no checkpoint');
      const text = checkpointText({ ...third, atMicros: third.atMicros + 1n });
      await client.query('UPDATE ideogate.checkpoint SET note = $1 WHERE number = 3', [
        signNote(text, makeSigningKey('ideogate.test/staging')),
      ]);
    },
    faults: () => [['forged-checkpoint', null, 3]],
  },
  {
    what: 'a checkpoint signed with another key is added',
    tamper: async (client) => {
      const last = checkpointOf((await notesOf(client)).at(-1) ?? '');
      if (last === null) throw new Error('no checkpoint');
      const forged = checkpointText({ ...last, number: last.number + 1, heads: [] });
      await client.query('INSERT INTO ideogate.checkpoint VALUES ($1, $2)', [
        last.number + 1,
        signNote(forged, makeSigningKey('ideogate.test/staging')),
      ]);
    },
    faults: () => [['forged-checkpoint', null, 13]],
  },
  {
    what: 'an old backup is put in the place of the record',
    of: () => sample.backup,
    tamper: async () => {},
    kept: true,
    faults: () => [['rolled-back', null, 11]],
  },
  {
    what: 'all that came after a moment is removed, checkpoints too',
    tamper: async (client) => {
      await client.query(`DELETE FROM ideogate.audit_event WHERE writer = '${sample.open}' AND seq > 9`);
      await client.query('DELETE FROM ideogate.checkpoint WHERE number > 10');
    },
    kept: true,
    faults: () => [['rolled-back', null, 11]],
  },
  {
    what: 'the last checkpoints are removed, and events after them left',
    tamper: (client) => client.query('DELETE FROM ideogate.checkpoint WHERE number > 10'),
    kept: true,
    faults: () => [['removed', null, 11]],
  },
  {
    what: 'the record goes on from an old backup, signed by the key',
    of: () => sample.backup,
    tamper: async (client) => {
      const last = checkpointOf((await notesOf(client)).at(-1) ?? '');
      if (last === null) throw new Error('no checkpoint');
      const text = checkpointText({
        ...last,
        number: 11,
        previous: hashOfCheckpoint(checkpointText(last)),
        heads: [],
      });
      await client.query('INSERT INTO ideogate.checkpoint VALUES (11, $1)', [
        signNote(text, openCheckpointKeys(sample.keyFile).current()),
      ]);
    },
    kept: true,
    faults: () => [
      ['forked', null, 11],
      ['rolled-back', null, 12],
    ],
  },
];

describe('an untouched record', () => {
  test('is proved, in the database and in an export, with and without what others kept', async () => {
    const file = await exportOf(sample.whole);
    for (const source of [inDatabase(sample.whole), { kind: 'files' as const, files: [file] }]) {
      for (const kept of [[], [sample.kept]]) {
        const report = await verify(source, { kept });
        expect(report).toMatchObject({
          ok: true,
          events: sample.events,
          checkpoints: sample.checkpoints,
          faults: [],
          more: 0,
          reported: { chains: 3, tail: 4, open: 0, unknown: 0, notes: [] },
        });
      }
    }
  });

  test('an export of an older state is no rolled-back one: it says when it was made', async () => {
    const file = await exportOf(sample.backup, await signedAt(10));
    const report = await verify({ kind: 'files', files: [file] }, { kept: [sample.kept] });
    expect(report).toMatchObject({ ok: true, checkpoints: 10 });
    expect(report.reported.notes).toEqual([
      expect.stringMatching(/^2 checkpoints that were kept are younger than the export, which was made at/),
    ]);
  });
});

describe('what a superuser did to the record is named:', () => {
  test.each(TAMPERINGS)('$what (E.53)', async ({ tamper: done, faults, kept = false, of }) => {
    const name = of?.() ?? sample.whole;
    await tamper(done, name);
    const with_ = { kept: kept ? [sample.kept] : [] };
    const fromDatabase = await verify(inDatabase(name), with_);
    const fromExport = await verify({ kind: 'files', files: [await exportOf(name)] }, with_);
    expect(fromDatabase.faults.map(short)).toEqual(faults());
    expect(fromExport.faults.map(short)).toEqual(faults());
    expect([fromDatabase.ok, fromExport.ok]).toEqual([false, false]);
  });
});

test('an event slipped in is found even though nothing but its place and its neighbours speak against it', async () => {
  await tamper((client) => insert(client, sample.open, 21, { seq: '23', at: 'now()', hash: RANDOM_HASH }));
  const { faults } = await verify(inDatabase(sample.whole));
  expect(faults.map(short)).toEqual([['inserted', sample.open, 23]]);
});
