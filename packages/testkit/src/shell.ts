/**
 * Takes out of the environment what a developer's shell may hold for real use: a test that picked up a real key
 * would spend money, one that picked up a real database would write into it. PG… names are defaults of `pg`.
 */
export function forgetShell(environment: NodeJS.ProcessEnv = process.env): void {
  for (const name of Object.keys(environment)) {
    if (FORGOTTEN.test(name)) delete environment[name];
  }
}

const FORGOTTEN = /^(?:DATABASE_URL|REDIS_URL|IDEOGRAM_.*|IDEOGATE_.*|PG[A-Z]+)$/;
