/**
 * Every number an operator can set: its variable, default, unit, bounds and meaning. The one table; the docs are
 * generated from it.
 */
export const SETTINGS = {
  maxTargetBytes: number('IDEOGATE_MAX_TARGET_BYTES', 4096, 'bytes', 256, 16_384, 'Longest request target.'),
  maxHeaderBytes: number(
    'IDEOGATE_MAX_HEADER_BYTES',
    16_384,
    'bytes',
    4096,
    65_536,
    'Largest request header section.',
  ),
  maxHeaderCount: number(
    'IDEOGATE_MAX_HEADER_COUNT',
    100,
    'fields',
    16,
    1000,
    'Fields in a request header section.',
  ),
  maxTokenBytes: number('IDEOGATE_MAX_TOKEN_BYTES', 8192, 'bytes', 512, 16_384, 'Longest access token.'),
  maxJsonBytes: number('IDEOGATE_MAX_JSON_BYTES', 1_048_576, 'bytes', 1024, 8_388_608, 'Largest JSON body.'),
  maxBodyBytes: number(
    'IDEOGATE_MAX_BODY_BYTES',
    52_428_800,
    'bytes',
    1024,
    1_073_741_824,
    'Largest request body.',
  ),
  maxAnswerBytes: number(
    'IDEOGATE_MAX_ANSWER_BYTES',
    104_857_600,
    'bytes',
    1024,
    1_073_741_824,
    "Largest body of an upstream's answer.",
  ),
  maxParts: number('IDEOGATE_MAX_PARTS', 256, 'parts', 1, 10_000, 'Parts of a multipart body.'),
  maxFieldNameBytes: number(
    'IDEOGATE_MAX_FIELD_NAME_BYTES',
    128,
    'bytes',
    32,
    1024,
    'Longest field name in a multipart body.',
  ),
  maxFieldBytes: number(
    'IDEOGATE_MAX_FIELD_BYTES',
    65_536,
    'bytes',
    1024,
    1_048_576,
    'Longest text field of a multipart body under bounds.',
  ),
  maxSocketsPerAddress: number(
    'IDEOGATE_MAX_SOCKETS_PER_ADDRESS',
    1000,
    'sockets',
    1,
    1_000_000,
    'Connections that one peer address may hold.',
  ),
  maxInFlight: number('IDEOGATE_MAX_IN_FLIGHT', 1000, 'calls', 1, 100_000, 'Calls in flight before 503.'),
  maxWebhooks: number(
    'IDEOGATE_MAX_WEBHOOKS',
    128,
    'webhooks',
    1,
    100_000,
    'Webhooks that come in at once, half of them from one address; never more than half of the calls in flight.',
  ),
  headersMs: number(
    'IDEOGATE_HEADERS_TIMEOUT_MS',
    10_000,
    'ms',
    100,
    120_000,
    'Time for a request header section.',
  ),
  requestMs: number(
    'IDEOGATE_REQUEST_TIMEOUT_MS',
    120_000,
    'ms',
    100,
    3_600_000,
    'Time for a whole request.',
  ),
  bodyIdleMs: number(
    'IDEOGATE_BODY_IDLE_MS',
    30_000,
    'ms',
    100,
    3_600_000,
    'Time between two pieces of a request body.',
  ),
  idleMs: number(
    'IDEOGATE_IDLE_TIMEOUT_MS',
    65_000,
    'ms',
    100,
    3_600_000,
    'Time an idle connection is kept.',
  ),
  discardMs: number(
    'IDEOGATE_DISCARD_MS',
    5000,
    'ms',
    0,
    60_000,
    'Time to read off the body of a refused request.',
  ),
  drainMs: number(
    'IDEOGATE_DRAIN_MS',
    15_000,
    'ms',
    0,
    600_000,
    'Time calls in flight get when the gateway stops.',
  ),
  commitMs: number(
    'IDEOGATE_COMMIT_TIMEOUT_MS',
    2000,
    'ms',
    100,
    30_000,
    'Time a decision may take to be committed.',
  ),
  maxWaiting: number(
    'IDEOGATE_MAX_WAITING',
    10_000,
    'decisions',
    1,
    1_000_000,
    'Decisions that may wait for a commit.',
  ),
  summaryMs: number(
    'IDEOGATE_SUMMARY_MS',
    60_000,
    'ms',
    100,
    3_600_000,
    'Time between two rows that sum up refusals without rows, per reason.',
  ),
  gapMarginMs: number(
    'IDEOGATE_GAP_MARGIN_MS',
    60_000,
    'ms',
    100,
    3_600_000,
    'Time beyond the longest a call may last, after which a decision without an outcome is closed as a gap.',
  ),
  connectMs: number(
    'IDEOGATE_UPSTREAM_CONNECT_MS',
    5000,
    'ms',
    100,
    60_000,
    'Time to connect to the upstream.',
  ),
  firstByteMs: number(
    'IDEOGATE_UPSTREAM_FIRST_BYTE_MS',
    180_000,
    'ms',
    100,
    3_600_000,
    "Time to the first byte of the upstream's answer, and between two.",
  ),
  wholeMs: number(
    'IDEOGATE_UPSTREAM_WHOLE_MS',
    300_000,
    'ms',
    100,
    3_600_000,
    'Time a forwarded call may take in all.',
  ),
  connections: number(
    'IDEOGATE_UPSTREAM_CONNECTIONS',
    128,
    'sockets',
    1,
    10_000,
    'Connections to the upstream.',
  ),
  perAddress: number(
    'IDEOGATE_RATE_PER_ADDRESS',
    6000,
    'requests',
    1,
    100_000_000,
    'Requests per peer address and window.',
  ),
  perSubject: number(
    'IDEOGATE_RATE_PER_SUBJECT',
    3000,
    'requests',
    1,
    100_000_000,
    'Requests per caller and window.',
  ),
  strangerRows: number(
    'IDEOGATE_STRANGER_ROWS',
    10_000,
    'rows',
    1,
    100_000_000,
    'Refusals without a valid token that have rows of their own, in a window; the rest is summed.',
  ),
  windowMs: number('IDEOGATE_RATE_WINDOW_MS', 60_000, 'ms', 1000, 86_400_000, 'Length of the rate window.'),
  replicas: number(
    'IDEOGATE_REPLICAS',
    1,
    'gateways',
    1,
    1000,
    'Gateways that share one Redis; their share of a limit while it is away.',
  ),
} as const satisfies Record<string, NumberSetting>;

interface NumberSetting {
  readonly variable: string;
  readonly fallback: number;
  readonly unit: string;
  readonly min: number;
  readonly max: number;
  readonly meaning: string;
}

export type Numbers = { readonly [name in keyof typeof SETTINGS]: number };

export type Environment = Readonly<Record<string, string | undefined>>;

/** Reads every number; what is wrong with each goes to `faults`, in the words of the operator. */
export function readNumbers(env: Environment, faults: string[]): Numbers {
  const entries = Object.entries(SETTINGS).map(([name, setting]) => [name, readNumber(setting, env, faults)]);
  return Object.fromEntries(entries) as Numbers; // as: one entry per setting
}

function readNumber(setting: NumberSetting, env: Environment, faults: string[]): number {
  const { variable, fallback, unit, min, max } = setting;
  const text = env[variable];
  if (text === undefined || text === '') return fallback;
  const value = /^[0-9]{1,12}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  faults.push(`${variable} must be a whole number of ${unit} from ${min} to ${max}`);
  return fallback;
}

function number(
  variable: string,
  fallback: number,
  unit: string,
  min: number,
  max: number,
  meaning: string,
): NumberSetting {
  return { variable, fallback, unit, min, max, meaning };
}
