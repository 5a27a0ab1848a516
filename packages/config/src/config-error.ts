/** What is wrong with a configuration: every fault, a line each. */
export class ConfigError extends Error {
  override readonly name: string = 'ConfigError';
  readonly faults: readonly string[];
  constructor(faults: readonly string[]) {
    super(faults.join('\n'));
    this.faults = faults;
  }
}
