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

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly Plans?: readonly PlanNode[];
}

/** How a statement is answered. */
export interface Plan {
  /** Tables read from end to end; empty ones cost nothing and don't count. */
  readonly wholeTables: readonly string[];
  /** Indexes looked into, of every partition. */
  readonly indexes: readonly string[];
}

/** How Postgres would answer a statement. */
export async function planOf(pool: Pool, { text, values }: Asked): Promise<Plan> {
  const { rows } = await pool.query<{ 'QUERY PLAN': readonly { Plan: PlanNode }[] }>(
    `EXPLAIN (FORMAT JSON) ${text}`,
    [...values],
  );
  const nodes = rows.flatMap((row) => row['QUERY PLAN'].flatMap(({ Plan }) => nodesOf(Plan)));
  const scanned = nodes
    .filter((node) => node['Node Type'] === 'Seq Scan')
    .map((node) => node['Relation Name'] ?? '');
  const { rows: full } = await pool.query<{ name: string }>(
    `SELECT name FROM unnest($1::text[]) AS name WHERE pg_relation_size(('ideogate.' || name)::regclass) > 0`,
    [[...new Set(scanned)]],
  );
  return {
    wholeTables: full.map(({ name }) => name),
    indexes: nodes.flatMap((node) => node['Index Name'] ?? []),
  };
}

function nodesOf(plan: PlanNode): readonly PlanNode[] {
  return [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];
}
