import { Client } from 'pg';
import { expect, test } from 'vitest';
import { createDatabase } from '../src/index.ts';

test('a test gets a database of its own, and it is gone after', async () => {
  const database = await createDatabase();
  const client = new Client({ connectionString: database.url });
  // DROP … WITH (FORCE) ends this connection.
  client.on('error', () => undefined);
  await client.connect();
  const { rows } = await client.query<{ name: string }>('SELECT current_database() AS name');
  expect(rows).toEqual([{ name: database.name }]);
  await database.drop();
  const again = new Client({ connectionString: database.url });
  await expect(again.connect()).rejects.toMatchObject({ code: '3D000' });
});
