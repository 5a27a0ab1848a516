import { isLoopback } from '@ideogate/contract';
import { connectionTarget, type Session, SHORT_TIMEOUTS, withSession } from '@ideogate/postgres';

/**
 * What makes a database unfit to hold the record, each with what to do about it. The docs are made from this table,
 * and in development a fault is accepted by its name.
 */
export const DATABASE_FAULTS = {
  'fsync off': 'A crash of the machine loses or destroys committed rows: set `fsync = on`.',
  'synchronous_commit off':
    'A crash loses rows that were acknowledged: set `synchronous_commit = on`, also for the login.',
  'full_page_writes off': 'A crash can tear pages that are being written: set `full_page_writes = on`.',
  standby: 'A standby takes no rows: give the address of the primary.',
  'read-only': 'No row can be added: set `default_transaction_read_only = off`.',
  'append login too powerful': 'It may add rows to the record and nothing else: revoke what is named.',
  'read login too powerful': 'It may read the record and nothing else: revoke what is named.',
  'no tls': 'The database is not on this machine: add `sslmode=verify-full` to its URL.',
  'tls unverified':
    'Whoever stands in between could be the database: use `sslmode=verify-full`, with `sslrootcert` where the authority is your own.',
} as const;

/** The name of one of `DATABASE_FAULTS`. */
export type DatabaseFault = keyof typeof DATABASE_FAULTS;

/** Whether a word from outside names a fault. */
export function isDatabaseFault(text: string): text is DatabaseFault {
  return Object.hasOwn(DATABASE_FAULTS, text);
}

/** A fault as it was found: `detail` says what exactly where the name doesn't; no address, no secret. */
export interface FoundFault {
  readonly fault: DatabaseFault;
  readonly detail: string | null;
}

/** How fit a database is to hold the record. */
export interface DatabaseSafety {
  readonly faults: readonly FoundFault[];
  /** Whether acknowledged rows are on a second server too, so that a failover keeps them. */
  readonly survivesFailover: boolean;
}

/** Who connects: the owner may do everything, the two logins one thing each. */
export type DatabaseUser = 'owner' | 'append' | 'read';

/**
 * Looks whether a database is fit to hold the record, in a session of its own: settings as this login has them, the
 * way there, and, for the two logins of a migrated database, what they may do.
 * @throws what Postgres or the network says
 */
export function databaseSafety(url: string, user: DatabaseUser): Promise<DatabaseSafety> {
  return withSession(url, `ideogate-${user}-settings`, SHORT_TIMEOUTS, async (session) => {
    const [settings] = await session.rows<Settings>(SETTINGS);
    if (settings === undefined) throw new Error('Postgres answered without a row');
    const powers = user === 'owner' ? [] : await powersBeyond(MAY[user], session);
    return {
      faults: [
        ...settingFaults(settings),
        ...powers.map((detail) => ({ fault: `${user} login too powerful` as DatabaseFault, detail })), // as: the owner has no powers listed
        ...connectionFaults(url),
      ],
      survivesFailover: settings.standby_names !== '' && settings.synchronous_commit !== 'local',
    };
  });
}

interface Settings {
  readonly fsync: string;
  readonly synchronous_commit: string;
  readonly full_page_writes: string;
  readonly standby: boolean;
  readonly read_only: boolean;
  readonly standby_names: string;
}

const SETTINGS = `SELECT
  current_setting('fsync') AS fsync,
  current_setting('synchronous_commit') AS synchronous_commit,
  current_setting('full_page_writes') AS full_page_writes,
  pg_is_in_recovery() AS standby,
  current_setting('transaction_read_only') = 'on' AS read_only,
  current_setting('synchronous_standby_names') AS standby_names`;

function settingFaults(settings: Settings): readonly FoundFault[] {
  const faults: readonly (readonly [boolean, DatabaseFault])[] = [
    [settings.fsync === 'off', 'fsync off'],
    [settings.synchronous_commit === 'off', 'synchronous_commit off'],
    [settings.full_page_writes === 'off', 'full_page_writes off'],
    [settings.standby, 'standby'],
    // A standby is read-only because it is one.
    [settings.read_only && !settings.standby, 'read-only'],
  ];
  return faults.filter(([found]) => found).map(([, fault]) => ({ fault, detail: null }));
}

/** What is wrong with the connection to a database: off this machine it must be TLS, and verified. */
export function connectionFaults(url: string): readonly FoundFault[] {
  const { host, tls } = connectionTarget(url);
  if (isLoopback(host) || host.startsWith('/') || tls === 'verified') return [];
  return [{ fault: tls === 'none' ? 'no tls' : 'tls unverified', detail: null }];
}

interface Allowed {
  readonly group: string;
  /** On tables and views of the record. */
  readonly privilege: string;
}

const MAY: Readonly<Record<'append' | 'read', Allowed>> = {
  append: { group: 'ideogate_append', privilege: 'INSERT' },
  read: { group: 'ideogate_read', privilege: 'SELECT' },
};

/** Roles it is in, directly or not; what is granted to it, to those or to everybody; what it owns. */
const POWERS = `WITH me AS (SELECT * FROM pg_roles WHERE rolname = current_user),
  granted AS (
    SELECT c.relname AS name, acl.* FROM pg_class c, aclexplode(c.relacl) AS acl
    WHERE c.relnamespace = 'ideogate'::regnamespace
    UNION ALL
    SELECT c.relname || '.' || a.attname, acl.* FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid, aclexplode(a.attacl) AS acl
    WHERE c.relnamespace = 'ideogate'::regnamespace
    UNION ALL
    SELECT 'schema ' || n.nspname, acl.* FROM pg_namespace n, aclexplode(n.nspacl) AS acl
    WHERE n.nspname = 'ideogate' AND acl.privilege_type <> 'USAGE'
    UNION ALL
    SELECT 'database', acl.* FROM pg_database d, aclexplode(d.datacl) AS acl
    WHERE d.datname = current_database() AND acl.privilege_type = 'CREATE'
  )
  SELECT 'it is ' || word AS power FROM me, LATERAL (VALUES
    (rolsuper, 'a superuser'), (rolcreaterole, 'able to create roles'), (rolcreatedb, 'able to create databases'),
    (rolreplication, 'able to replicate'), (rolbypassrls, 'exempt from row security')) AS attribute (has, word)
  WHERE has
  UNION ALL
  SELECT 'it is a member of ' || g.rolname FROM me, pg_roles g
  WHERE g.rolname NOT IN (me.rolname, $1) AND NOT me.rolsuper AND pg_has_role(me.oid, g.oid, 'MEMBER')
  UNION ALL
  SELECT 'it owns ' || c.relname FROM me, pg_class c
  WHERE c.relnamespace = 'ideogate'::regnamespace AND c.relowner = me.oid
  UNION ALL
  SELECT DISTINCT privilege_type || ' on ' || name || CASE WHEN is_grantable THEN ' with grant option' ELSE '' END
  FROM me, granted
  WHERE (grantee = 0 OR pg_has_role(me.oid, grantee, 'MEMBER')) AND NOT me.rolsuper
    AND grantee <> grantor AND (privilege_type <> $2 OR is_grantable)
  ORDER BY power LIMIT 20`;

async function powersBeyond({ group, privilege }: Allowed, session: Session): Promise<readonly string[]> {
  const rows = await session.rows<{ power: string }>(POWERS, [group, privilege]);
  return rows.map(({ power }) => power);
}
