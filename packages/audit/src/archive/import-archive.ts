import { inTransaction, type Session, SQLSTATE, sqlState } from '@ideogate/postgres';
import { insertLines } from '../append/event-store.ts';
import { ArchiveError } from './archive-error.ts';
import { type ArchiveContent, readArchive } from './archive-file.ts';
import { alone, registeredArchive } from './registered.ts';

/** What was read back stands beside the record, under the same names: for `ideogate.` write `ideogate_imported.`. */
const SCHEMA = 'ideogate_imported';
const VIEWS = ['audit_call', 'audit_entry', 'audit_notice'];
const LINES_AT_ONCE = 1_000;
/** Which archive is put back for reading. */
export interface ImportOptions {
  readonly ownerUrl: string;
  readonly file: string;
  /** Puts on record who reads what. Nothing can be read unless this returns. */
  readonly announce: (content: ArchiveContent) => Promise<void>;
}

/** What can be read now. */
export interface ImportedArchive extends ArchiveContent {
  /** Whether this database archived this very file; one of another installation is known by its own proofs alone. */
  readonly archivedHere: boolean;
}

/**
 * Reads an archive back for questions, whole or not at all, into tables and views of its own; the record isn't touched.
 * @throws ArchiveError, what `announce` throws, or what Postgres or the disk says
 */
export function importArchive({ ownerUrl, file, announce }: ImportOptions): Promise<ImportedArchive> {
  return alone(ownerUrl, (session) =>
    inTransaction(session, async () => {
      await makePlace(session);
      const content = await insertAll(session, file);
      const registered = await registeredArchive(session, content.month);
      if (registered !== null && registered.sha256 !== content.sha256) {
        throw new ArchiveError(
          'not-importable',
          `${file} is not the file that ${content.month} was archived to: its SHA-256 is ${content.sha256}, and the record says ${registered.sha256}`,
        );
      }
      await announce(content);
      return { ...content, archivedHere: registered !== null };
    }),
  );
}

/** Removes everything that was read back. Says whether there was anything. */
export function dropImported(ownerUrl: string): Promise<boolean> {
  return alone(ownerUrl, async (session) => {
    const { rows } = await session.query({
      text: 'SELECT FROM pg_namespace WHERE nspname = $1',
      values: [SCHEMA],
    });
    await session.query({ text: `DROP SCHEMA IF EXISTS ${SCHEMA} CASCADE` });
    return rows.length > 0;
  });
}

/** Table, indexes and views as the record has them now. */
async function makePlace(session: Session): Promise<void> {
  await session.query({
    text: `CREATE SCHEMA IF NOT EXISTS ${SCHEMA};
      REVOKE ALL ON SCHEMA ${SCHEMA} FROM PUBLIC;
      CREATE TABLE IF NOT EXISTS ${SCHEMA}.audit_event
        (LIKE ideogate.audit_event INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES);
      DROP VIEW IF EXISTS ${VIEWS.map((view) => `${SCHEMA}.${view}`).join(', ')} CASCADE;
      SET LOCAL search_path = pg_catalog;`,
  });
  for (const view of VIEWS) {
    // With nothing else on the search path, Postgres names every table with its schema.
    const [row] = await session.rows<{ definition: string }>(
      'SELECT pg_get_viewdef($1::regclass) AS definition',
      [`ideogate.${view}`],
    );
    const definition = (row?.definition ?? '').replaceAll(/\bideogate\./g, `${SCHEMA}.`);
    await session.query({
      text: `CREATE VIEW ${SCHEMA}.${view} WITH (security_invoker = true) AS ${definition}`,
    });
  }
  await session.query({
    text: `REVOKE ALL ON ALL TABLES IN SCHEMA ${SCHEMA} FROM PUBLIC;
      GRANT USAGE ON SCHEMA ${SCHEMA} TO ideogate_read;
      GRANT SELECT ON ALL TABLES IN SCHEMA ${SCHEMA} TO ideogate_read;`,
  });
}

async function insertAll(session: Session, file: string): Promise<ArchiveContent> {
  let lines: string[] = [];
  const insert = async () => {
    const full = lines;
    lines = [];
    if (full.length > 0) await insertLines(session, `${SCHEMA}.audit_event`, full);
  };
  try {
    const content = await readArchive(file, async (line) => {
      lines.push(line);
      if (lines.length === LINES_AT_ONCE) await insert();
    });
    await insert();
    await session.query({ text: `ANALYZE ${SCHEMA}.audit_event` });
    return content;
  } catch (error) {
    if (sqlState(error) !== SQLSTATE.uniqueViolation) throw error;
    throw new ArchiveError('not-importable', `${file} was imported before; drop what was imported first`);
  }
}
