import { ALGORITHMS, type Algorithm, type TrustedIssuer } from '@ideogate/access-token';
import { readNamedText } from '@ideogate/config';
import {
  errorCode,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  parseStrictJson,
} from '@ideogate/contract';
import type { Release } from '@ideogate/policy';

/**
 * Issuers trusted besides the product's own: a JSON file that `IDEOGATE_ISSUERS` names, a list of
 * `{"issuer", "algorithms": […], "keys": {"discovery": true} | {"jwksUri": …} | {"file": …}}`.
 * What is wrong with each goes to `faults`.
 */
export function readTrustedIssuers(file: string | null, faults: string[]): readonly TrustedIssuer[] {
  if (file === null) return [];
  let list: JsonValue;
  try {
    list = parseStrictJson(readNamedText(file));
  } catch (error) {
    faults.push(
      `IDEOGATE_ISSUERS: ${file} cannot be read as JSON (${error instanceof Error && 'offset' in error ? error.message : errorCode(error)}).`,
    );
    return [];
  }
  if (!Array.isArray(list)) {
    faults.push(`IDEOGATE_ISSUERS: ${file} must hold a list of issuers.`);
    return [];
  }
  return list.flatMap((entry, at) => {
    const issuer = isJsonObject(entry) ? asIssuer(entry) : null;
    if (issuer === null) {
      faults.push(
        `IDEOGATE_ISSUERS: entry ${at + 1} of ${file} must be {"issuer": URL, "algorithms": some of ${ALGORITHMS.join(', ')}, ` +
          '"keys": {"discovery": true} or {"jwksUri": URL} or {"file": path}} and nothing else.',
      );
    }
    return issuer ?? [];
  });
}

function asIssuer(entry: JsonObject): TrustedIssuer | null {
  const { issuer, algorithms, keys, ...rest } = entry;
  if (typeof issuer !== 'string' || !Array.isArray(algorithms) || !isJsonObject(keys)) return null;
  const known = algorithms.filter(isAlgorithm);
  const from = asKeys(keys);
  if (Object.keys(rest).length > 0 || known.length !== algorithms.length || from === null) return null;
  return { issuer, algorithms: known, keys: from };
}

function asKeys(keys: JsonObject): TrustedIssuer['keys'] | null {
  const [[name, value] = [], ...more] = Object.entries(keys);
  if (more.length > 0) return null;
  if (name === 'discovery' && value === true) return { discovery: true };
  if (name === 'jwksUri' && typeof value === 'string') return { jwksUri: value };
  return name === 'file' && typeof value === 'string' ? { file: value } : null;
}

function isAlgorithm(value: JsonValue): value is Algorithm {
  return typeof value === 'string' && (ALGORITHMS as readonly string[]).includes(value);
}

/** With several issuers a subject alone names nobody: any of them could mint it. So each caller must say whose it is. */
export function requireNamedIssuers(release: Release, issuers: number, faults: string[]): void {
  if (issuers < 2) return;
  for (const { subject, issuer, rule } of release.callers) {
    if (issuer === null)
      faults.push(`${rule}: caller ${subject} must name its issuer, for ${issuers} issuers are trusted.`);
  }
}
