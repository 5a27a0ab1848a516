/** Something that was read can't be used. `faults` has every fault found, one sentence each. */
export abstract class FaultsError extends Error {
  readonly faults: readonly string[];
  constructor(faults: readonly string[], between = '\n') {
    super(faults.join(between));
    this.faults = faults;
  }
}
