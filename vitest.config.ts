import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    testTimeout: 60_000,
    // Most tests wait for databases, processes and sockets: a second and a third file fill the gaps.
    maxWorkers: 3,
    hookTimeout: 60_000,
    reporters: [
      'default',
      './packages/testkit/src/skipped-by-name.ts',
      ['json', { outputFile: '.vitest/report.json' }],
    ],
    projects: [
      {
        extends: true,
        test: {
          name: 'ideogate',
          include: ['packages/*/test/**/*.test.ts', 'apps/*/test/**/*.test.ts'],
          exclude: ['packages/testkit/test/arrows.test.ts'],
          globalSetup: ['./packages/testkit/src/global-setup.ts'],
          setupFiles: ['./packages/testkit/src/worker-setup.ts'],
        },
      },
      { extends: true, test: { name: 'arrows', include: ['packages/testkit/test/arrows.test.ts'] } },
    ],
  },
});
