import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    testTimeout: 30_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'ideogate',
          include: ['packages/*/test/**/*.test.ts', 'apps/*/test/**/*.test.ts'],
          exclude: ['packages/testkit/test/arrows.test.ts'],
        },
      },
      { extends: true, test: { name: 'arrows', include: ['packages/testkit/test/arrows.test.ts'] } },
    ],
  },
});
