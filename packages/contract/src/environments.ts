/** The environments Ideogate knows. One gateway process serves exactly one. */
export const ENVIRONMENTS = ['development', 'staging', 'production'] as const;

export type EnvironmentName = (typeof ENVIRONMENTS)[number];

export function isEnvironmentName(text: string): text is EnvironmentName {
  return (ENVIRONMENTS as readonly string[]).includes(text);
}
