import { probeDatabase } from '@ideogate/postgres';
import { DEFAULT_VERIFIER, type TrustedIssuer, type VerifierConfig } from '@ideogate/access-token';
import { errorCode } from '@ideogate/contract';
import { loginOf } from '../running-product.ts';
import { fault, type Finding, NO_SETTINGS, NOT_RUNNING, ok, unknown, warning } from './finding.ts';
import type { Surroundings } from './surroundings.ts';

/** Clocks further apart than `skewSeconds` have tokens refused as of the future, or as expired. */
type Bounds = Pick<VerifierConfig, 'skewSeconds' | 'fetchTimeoutMs'>;

const NOTED_MS = 5_000;
const MEND = 'have both machines follow the time by NTP: timedatectl set-ntp true';

/** This machine's clock, the database's and every issuer's are of one mind. */
export async function clock({ ready, config }: Surroundings): Promise<readonly Finding[]> {
  const bounds = config?.verifier ?? DEFAULT_VERIFIER;
  return Promise.all([
    ready === null ? NOT_RUNNING : ofDatabase(loginOf(ready, 'read'), bounds),
    ...(config === null ? [NO_SETTINGS] : config.issuers.map((issuer) => ofIssuer(issuer, bounds))),
  ]);
}

async function ofDatabase(url: string, bounds: Bounds): Promise<Finding> {
  try {
    const { aheadMs, boundMs } = await probeDatabase(url);
    return judge("the database's clock", aheadMs, boundMs, bounds);
  } catch (error) {
    return unknown(`the database's clock cannot be asked (${errorCode(error)})`, 'see that it is up');
  }
}

async function ofIssuer({ issuer, keys }: TrustedIssuer, bounds: Bounds): Promise<Finding> {
  const whose = `the clock of issuer ${issuer}`;
  if ('file' in keys) return ok(`${whose} is not asked: its keys are a file`);
  const address =
    'jwksUri' in keys ? keys.jwksUri : `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  try {
    const asked = Date.now();
    const response = await fetch(address, {
      redirect: 'manual',
      signal: AbortSignal.timeout(bounds.fetchTimeoutMs),
    });
    const answered = Date.now();
    await response.body?.cancel();
    const date = Date.parse(response.headers.get('date') ?? '');
    if (Number.isNaN(date)) return unknown(`${whose} is not told: its answer has no Date`, 'ask who runs it');
    // The field has whole seconds, cut off (RFC 9110 section 6.6.1): half of one more, and half of one to each side.
    const boundMs = Math.ceil((answered - asked) / 2) + 500;
    return judge(whose, date + 500 - (asked + answered) / 2, boundMs, bounds);
  } catch (error) {
    return unknown(
      `${whose} cannot be asked (${errorCode(error instanceof Error ? error.cause : error)})`,
      'see that it is up',
    );
  }
}

function judge(whose: string, aheadMs: number, boundMs: number, { skewSeconds }: Bounds): Finding {
  const apart = Math.max(0, Math.abs(aheadMs) - boundMs);
  const evidence = `${whose} is ${Math.abs(Math.round(aheadMs))} ms ${aheadMs < 0 ? 'behind' : 'ahead of'} ours, within ${boundMs} ms`;
  if (apart > skewSeconds * 1000)
    return fault(`${evidence}: more than the ${skewSeconds} s that tokens are granted`, MEND);
  return apart > NOTED_MS ? warning(evidence, MEND) : ok(evidence);
}
