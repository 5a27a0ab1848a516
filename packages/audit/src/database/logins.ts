import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import { FaultError } from '@ideogate/contract';
import { escapeIdentifier, escapeLiteral, inTransaction, type Session } from '@ideogate/postgres';
import { retryOnRoleRace, withOwner } from './owner-session.ts';

/** A login as it is to be made. */
export interface Login {
  readonly user: string;
  /** Printable ASCII without spaces. */
  readonly password: string;
}

/** Why a login is not made. */
export type LoginFault =
  /** Roles belong to the whole cluster: a name without the database's in it would be shared with another database. */
  | 'name-without-database'
  /** Postgres would cut the name. */
  | 'name-too-long'
  /** Two logins have one name. */
  | 'same-name'
  /** The name belongs to a role that may do more than a login of the record. */
  | 'powerful-role'
  /** Not printable ASCII. */
  | 'password';

/** No login was made; `fault` says why. */
export class LoginError extends FaultError<LoginFault> {
  override readonly name = 'LoginError';
}

const MAX_NAME_BYTES = 63;

/** Groups whose logins have no right on the record: what they may do is in the migration that made them. */
export type OtherGroup = 'ideogate_keys_put' | 'ideogate_keys_open' | 'ideogate_webhook';

/**
 * Makes the logins of one database, or gives them their passwords again: *append* may insert into the record, *read* may
 * select from it, and neither may anything else. `others` have no right on the record. Only these and the owner may
 * connect to the database.
 * @param ownerUrl a role that may create roles, connected to `database`
 * @throws LoginError, or what Postgres says
 */
export async function createLogins(
  ownerUrl: string,
  options: {
    readonly database: string;
    readonly append: Login;
    readonly read: Login;
    readonly others?: readonly (Login & { readonly group: OtherGroup })[];
  },
): Promise<void> {
  const { database, append, read, others = [] } = options;
  const logins = [append, read, ...others];
  for (const { user, password } of logins) {
    if (!user.includes(database)) {
      throw new LoginError(
        'name-without-database',
        `login ${user} must carry the name of its database, ${database}`,
      );
    }
    if (Buffer.byteLength(user) > MAX_NAME_BYTES) {
      throw new LoginError('name-too-long', `login ${user} is longer than ${MAX_NAME_BYTES} bytes`);
    }
    if (!/^[\x21-\x7e]+$/.test(password)) {
      throw new LoginError(
        'password',
        `the password of login ${user} must be printable ASCII without spaces`,
      );
    }
  }
  if (new Set(logins.map(({ user }) => user)).size < logins.length)
    throw new LoginError('same-name', 'each login needs a name of its own');
  await withOwner(ownerUrl, (session) =>
    retryOnRoleRace(() =>
      inTransaction(session, async () => {
        const name = escapeIdentifier(database);
        await session.query({ text: `REVOKE ALL ON DATABASE ${name} FROM PUBLIC` });
        await putLogin(session, name, append, 'ideogate_append');
        await putLogin(session, name, read, 'ideogate_read');
        for (const login of others) await putLogin(session, name, login, login.group);
      }),
    ),
  );
}

async function putLogin(session: Session, database: string, login: Login, group: string): Promise<void> {
  const user = escapeIdentifier(login.user);
  const [present] = await session.rows<{ powerful: boolean }>(
    `SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls OR rolname = current_user AS powerful
     FROM pg_roles WHERE rolname = $1`,
    [login.user],
  );
  if (present?.powerful === true) {
    throw new LoginError(
      'powerful-role',
      `${login.user} is a role that may do more than a login of the record`,
    );
  }
  const password = escapeLiteral(scramVerifier(login.password));
  await session.query({
    text: `${present === undefined ? 'CREATE' : 'ALTER'} ROLE ${user} LOGIN PASSWORD ${password};
      GRANT ${group} TO ${user};
      GRANT CONNECT ON DATABASE ${database} TO ${user};
      ALTER ROLE ${user} IN DATABASE ${database} SET search_path = ideogate;`,
  });
}

/**
 * What Postgres keeps of a SCRAM-SHA-256 password (RFC 5803 section 2 with RFC 7677's hash). Made here, so that the
 * password itself is in no statement, which the server might log.
 */
function scramVerifier(password: string): string {
  const iterations = 4096;
  const salt = randomBytes(16);
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256');
  const mac = (text: string) => createHmac('sha256', salted).update(text).digest();
  const storedKey = createHash('sha256').update(mac('Client Key')).digest('base64');
  const serverKey = mac('Server Key').toString('base64');
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${storedKey}:${serverKey}`;
}
