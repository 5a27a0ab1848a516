import type { Pool } from 'pg';

interface Asked {
  readonly text: string;
  readonly values: readonly unknown[];
}

/** A pool that keeps what it is asked, so that the plan of every statement can be looked at. */
export function watched(pool: Pool): { readonly pool: Pool; readonly asked: readonly Asked[] } {
  const asked: Asked[] = [];
  const query = (config: { text: string } | string, values: readonly unknown[] = []) => {
    asked.push({ text: typeof config === 'string' ? config : config.text, values });
    return pool.query(config, [...values]);
  };
  const spy = new Proxy(pool, {
    get: (target, name) => (name === 'query' ? query : Reflect.get(target, name, target)) as unknown,
  });
  return { pool: spy, asked };
}

interface Plan {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly Plans?: readonly Plan[];
}

/** The tables that a statement reads from end to end, by its plan; empty ones cost nothing and don't count. */
export async function scanned(pool: Pool, { text, values }: Asked): Promise<readonly string[]> {
  const { rows } = await pool.query<{ 'QUERY PLAN': readonly { Plan: Plan }[] }>(
    `EXPLAIN (FORMAT JSON) ${text}`,
    [...values],
  );
  const tables = new Set(rows.flatMap((row) => row['QUERY PLAN'].flatMap(({ Plan }) => scansIn(Plan))));
  const full: string[] = [];
  for (const table of tables) {
    const { rows: sizes } = await pool.query<{ bytes: string }>(
      'SELECT pg_relation_size($1::regclass) AS bytes',
      [`ideogate.${table}`],
    );
    if (sizes[0]?.bytes !== '0') full.push(table);
  }
  return full;
}

function scansIn(plan: Plan): readonly string[] {
  const own = plan['Node Type'] === 'Seq Scan' ? [plan['Relation Name'] ?? ''] : [];
  return [...own, ...(plan.Plans ?? []).flatMap(scansIn)];
}
