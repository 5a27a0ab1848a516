/** Something that is done beside calls, for as long as the process runs; it never throws. */
export interface Job {
  stop(): Promise<void>;
}

/** Where log lines go: pino's two methods. */
export interface Log {
  info(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** How a job reaches the record. */
export interface RecordLogins {
  readonly appendUrl: string;
  readonly readUrl: string;
}

/** The clock of the record, microseconds since the Unix epoch. */
export type Clock = () => bigint;
