import { readNamedText, type Settings } from '@ideogate/config';
import {
  errorCode,
  isJsonObject,
  isLoopback,
  type JsonObject,
  type JsonValue,
  parseStrictJson,
} from '@ideogate/contract';
import {
  parseWebhookSecret,
  WEBHOOK_SCHEMES,
  type WebhookSchemeName,
  type WebhookSecret,
} from '@ideogate/webhook';

/** One endpoint at which webhooks come in, and who gets them. */
export interface WebhookEndpointConfig {
  /** The last part of its address. */
  readonly name: string;
  readonly scheme: WebhookSchemeName;
  /** Shared with the sender; none with `ideogram`. */
  readonly secrets: readonly WebhookSecret[];
  /** With `ideogram`: whose events are taken. */
  readonly users: readonly string[];
  /** How often a delivery is tried before it is a dead letter. */
  readonly attempts: number;
  readonly subscriber: { readonly url: string; readonly secrets: readonly WebhookSecret[] };
}

/** With the waits between them, which grow to six hours: four days. */
const ATTEMPTS = 25;

const FORM =
  '{"name": …, "scheme": …, "secrets": […], "users": […], "attempts": …, "subscriber": {"url": …, "secrets": […]}} and nothing else';

/**
 * Endpoints for webhooks: a JSON file that `IDEOGATE_WEBHOOKS` names. It holds no secret, only where each is: `env:` and
 * the name of a variable, or `file:` and a path. What is wrong goes to `faults`, and never quotes a secret.
 */
export function readWebhookEndpoints(
  { values, named }: Settings,
  faults: string[],
): readonly WebhookEndpointConfig[] {
  const file = values.general.webhooks;
  if (file === null) return [];
  let list: JsonValue;
  try {
    list = parseStrictJson(readNamedText(file));
  } catch (error) {
    const why = error instanceof Error && 'offset' in error ? error.message : errorCode(error);
    faults.push(`IDEOGATE_WEBHOOKS: ${file} cannot be read as JSON (${why}).`);
    return [];
  }
  if (!Array.isArray(list)) {
    faults.push(`IDEOGATE_WEBHOOKS: ${file} must hold a list of endpoints.`);
    return [];
  }
  const names = new Set<string>();
  return list.flatMap((entry, at) => {
    const tell = (fault: string) =>
      void faults.push(`IDEOGATE_WEBHOOKS: entry ${at + 1} of ${file}: ${fault}.`);
    const endpoint = isJsonObject(entry) ? readEndpoint(entry, named, tell) : tell(`must be ${FORM}`);
    if (!endpoint) return [];
    if (names.has(endpoint.name)) tell(`another entry has the name ${endpoint.name} too`);
    names.add(endpoint.name);
    return [endpoint];
  });
}

function readEndpoint(
  entry: JsonObject,
  named: Settings['named'],
  tell: (fault: string) => void,
): WebhookEndpointConfig | null {
  const { name, scheme, secrets = [], users = [], attempts = ATTEMPTS, subscriber, ...rest } = entry;
  if (Object.keys(rest).length > 0 || !isJsonObject(subscriber ?? null)) {
    tell(`must be ${FORM}`);
    return null;
  }
  const { url, secrets: ours = [], ...others } = subscriber as JsonObject; // as: looked at just before
  if (Object.keys(others).length > 0) tell(`must be ${FORM}`);
  const known = WEBHOOK_SCHEMES.find((one) => one === scheme);
  if (known === undefined) tell(`"scheme" must be one of ${WEBHOOK_SCHEMES.join(', ')}`);
  if (typeof name !== 'string' || !/^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/.test(name))
    tell('"name" must be 1 to 64 lower-case letters, digits and inner hyphens: it stands in the address');
  if (typeof attempts !== 'number' || !Number.isInteger(attempts) || attempts < 1 || attempts > 100)
    tell('"attempts" must be a whole number from 1 to 100');
  if (typeof url !== 'string' || !isSubscriberUrl(url))
    tell(
      '"subscriber.url" must be an https URL without credentials or fragment; plain http only on loopback',
    );
  const own = readSecrets('subscriber.secrets', 'standard', ours, named, tell);
  let shared: readonly WebhookSecret[] = [];
  if (known === 'ideogram') {
    if (!Array.isArray(secrets) || secrets.length > 0)
      tell('"secrets" has no place with the scheme ideogram, whose keys are public');
    if (!isUserList(users) || users.length === 0)
      tell(
        '"users" must list the ids of the Ideogram users whose events are taken: Ideogram signs those of all its customers with the same keys',
      );
  } else if (known !== undefined) {
    if (!isUserList(users) || users.length > 0) tell('"users" has a place with the scheme ideogram only');
    shared = readSecrets('secrets', known, secrets, named, tell);
  }
  if (known === undefined || typeof name !== 'string' || typeof url !== 'string') return null;
  return {
    name,
    scheme: known,
    secrets: shared,
    users: isUserList(users) ? users : [],
    attempts: Number(attempts),
    subscriber: { url, secrets: own },
  };
}

function isUserList(value: JsonValue): value is readonly string[] & JsonValue {
  return (
    Array.isArray(value) &&
    value.every((user) => typeof user === 'string' && /^[\x21-\x7e]{1,256}$/.test(user))
  );
}

function isSubscriberUrl(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || url.username || url.password || url.hash) return false;
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname));
}

const RULES = {
  standard: 'whsec_ and the base64 of 24 to 64 bytes',
  'hmac-sha256': '24 bytes or more, without white space at its ends',
} as const;

function readSecrets(
  member: string,
  scheme: keyof typeof RULES,
  sources: JsonValue,
  named: Settings['named'],
  tell: (fault: string) => void,
): readonly WebhookSecret[] {
  if (!Array.isArray(sources) || sources.length === 0 || sources.length > 4) {
    tell(`"${member}" must be a list of one to four places, each env:NAME or file:PATH`);
    return [];
  }
  return sources.flatMap((source) => {
    const text = typeof source === 'string' ? textFrom(source, named) : null;
    if (text === null || typeof source !== 'string') {
      tell(`"${member}" must name places that hold something, each env:NAME or file:PATH`);
      return [];
    }
    const secret = parseWebhookSecret(scheme, text);
    if (secret === null) tell(`"${member}": what ${source} holds is not ${RULES[scheme]}`);
    return secret ?? [];
  });
}

/** Bytes: more than any secret. */
const MAX_SECRET = 65_536;

function textFrom(source: string, named: Settings['named']): string | null {
  const [, kind, place = ''] = /^(env|file):(.+)$/.exec(source) ?? [];
  if (kind === 'env') return named(place) ?? null;
  if (kind !== 'file') return null;
  try {
    // Most editors end a file with a line break.
    return readNamedText(place, MAX_SECRET).replace(/\r?\n$/, '') || null;
  } catch {
    return null;
  }
}
