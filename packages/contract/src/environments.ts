/** The environments Ideogate knows. One gateway process serves exactly one. */
export const ENVIRONMENTS = ['development', 'staging', 'production'] as const;

/** One of `ENVIRONMENTS`: a gateway serves exactly one. */
export type EnvironmentName = (typeof ENVIRONMENTS)[number];

/** Whether it is exactly one of `ENVIRONMENTS`. */
export function isEnvironmentName(text: string): text is EnvironmentName {
  return (ENVIRONMENTS as readonly string[]).includes(text);
}
