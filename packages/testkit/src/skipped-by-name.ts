import type { Reporter, TestModule } from 'vitest/node';

/** Ends the run with the name of every test that was skipped: a count alone hides what wasn't shown. */
export default class SkippedByName implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    for (const module of modules) {
      for (const test of module.children.allTests('skipped')) {
        console.log(`skipped: ${module.relativeModuleId} > ${test.fullName}`);
      }
    }
  }
}
