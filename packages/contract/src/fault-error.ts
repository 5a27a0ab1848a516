/** Something can't be done: `fault` says why, by a name of a closed set, and the message what to do. */
export abstract class FaultError<Fault extends string> extends Error {
  readonly fault: Fault;
  constructor(fault: Fault, message: string) {
    super(message);
    this.fault = fault;
  }
}
