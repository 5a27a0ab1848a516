import { inject, test, type TestAPI } from 'vitest';

/** The Redis of this machine, or null where none answers. */
export function redisUrl(): string | null {
  return inject('redisUrl');
}

/**
 * As vitest's `test`; on a machine without Redis the test is skipped, and the run ends with its name. Take `expect`
 * from the test's context (`async ({ expect }) => …`): the linter doesn't know that this is a test.
 */
export const testWithRedis: TestAPI['skip'] = redisUrl() === null ? test.skip : test;
