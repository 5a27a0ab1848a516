import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DATABASE_FAULTS, migrate } from '@ideogate/audit';
import { PROBLEMS, SCOPES } from '@ideogate/contract';
import { RULES } from '@ideogate/secret-scan';
import { createDatabase } from '@ideogate/testkit';
import { Client } from 'pg';
import { describe, expect, test } from 'vitest';
import { CHECKS } from '../src/doctor/checks.ts';
import { REPOSITORY } from './running-product.ts';

const page = (name: string) => readFileSync(join(REPOSITORY, name), 'utf8');

/** What stands between `<!-- name -->` and `<!-- /name -->`. */
function section(text: string, name: string): string {
  const found = new RegExp(`<!-- ${name} -->\\n([^]*?)<!-- /${name} -->`).exec(text);
  return (found?.[1] ?? '').trim();
}

function table(heading: readonly string[], rows: readonly (readonly unknown[])[]): string {
  return [heading, heading.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

describe('the pages agree with the source', () => {
  test('every problem a caller can meet is in the developer’s table', () => {
    const rows = Object.entries(PROBLEMS).map(([code, { status, title, remedy }]) => [
      `\`${code}\``,
      status,
      title,
      remedy,
    ]);
    expect(section(page('docs/call-ideogram-through-ideogate.md'), 'problems')).toBe(
      table(['code', 'status', 'means', 'what to do'], rows),
    );
  });

  test('every fault of a database is in the operator’s table, with what to do', () => {
    const rows = Object.entries(DATABASE_FAULTS).map(([fault, meaning]) => [`\`${fault}\``, meaning]);
    expect(section(page('docs/run.md'), 'database-faults')).toBe(
      table(['fault', 'means, and what to do'], rows),
    );
  });

  test('every rule of the scan is in its page', () => {
    const rows = Object.entries(RULES).map(([rule, meaning]) => [`\`${rule}\``, meaning]);
    expect(section(page('docs/scan.md'), 'scan-rules')).toBe(table(['rule', 'means'], rows));
  });

  test('every check of doctor is in its table, with how it is proved', () => {
    const rows = Object.entries(CHECKS).map(([check, { shows, how }]) => [`\`${check}\``, shows, how]);
    expect(section(page('docs/doctor.md'), 'checks')).toBe(table(['check', 'shows that', 'how'], rows));
  });

  test('every scope is in the platform team’s table', () => {
    const rows = Object.entries(SCOPES).map(([scope, meaning]) => [`\`${scope}\``, meaning]);
    expect(section(page('docs/write-policy.md'), 'scopes')).toBe(table(['scope', 'meaning'], rows));
  });

  test('every link leads somewhere', () => {
    for (const name of readdirSync(join(REPOSITORY, 'docs')))
      for (const [, target = ''] of page(`docs/${name}`).matchAll(/\]\(([^)#]+)/g))
        expect([name, target, existsSync(join(REPOSITORY, 'docs', target))]).toEqual([name, target, true]);
  });

  test('every SQL example runs, and every column it promises is there', async () => {
    const text = page('docs/read-the-record.md');
    const database = await createDatabase();
    await migrate(database.url);
    const client = new Client({ connectionString: database.url });
    await client.connect();
    try {
      const statements = [...text.matchAll(/```sql\n([^]*?)```/g)].map(([, statement]) => statement ?? '');
      expect(statements.length).toBeGreaterThan(3);
      for (const statement of statements) await client.query(statement);
      const { fields } = await client.query('SELECT * FROM ideogate.audit_call LIMIT 0');
      const [, columns = ''] = /\| columns \| tell \|\n([^]*?)\n\n/.exec(text) ?? [];
      const told = columns
        .split('\n')
        .slice(1)
        .flatMap((row) => [...(row.split(' | ')[0] ?? '').matchAll(/`(\w+)`/g)].map(([, name]) => name));
      expect(new Set(told)).toEqual(new Set(fields.map(({ name }) => name)));
    } finally {
      await client.end();
      await database.drop();
    }
  });
});
