import { type AttackName, ATTACKS, PROXY } from './attacks.ts';

/** One attacker, and who is beside it. */
export interface Cell {
  readonly name: AttackName;
  /**
   * `caller`: models, pictures; `client`: that, and tokens of its own; `webhooks`: a sender of genuine ones. Health and
   * readiness are always asked.
   */
  readonly neighbour: 'caller' | 'client' | 'webhooks';
  /** Settings of the gateway that are not its defaults. */
  readonly settings: Readonly<Record<string, string>>;
  /** The address that the neighbour's connections come from. */
  readonly from: string;
  /** Header fields of all its requests. */
  readonly fields: Readonly<Record<string, string>>;
}

const NEIGHBOUR = '127.0.0.2';

export const CELLS: readonly Cell[] = (Object.keys(ATTACKS) as AttackName[]).map((name) => {
  // as: its own names
  switch (name) {
    case 'issuer flood, good client':
    case 'issuer flood, wrong secret':
      return { name, neighbour: 'client', settings: {}, from: NEIGHBOUR, fields: {} };
    case 'dripping webhooks':
      return { name, neighbour: 'webhooks', settings: {}, from: NEIGHBOUR, fields: {} };
    case 'behind one proxy':
      return {
        name,
        neighbour: 'caller',
        settings: { IDEOGATE_TRUSTED_PROXIES: `${PROXY}/32=x-forwarded-for` },
        from: PROXY,
        fields: { 'X-Forwarded-For': '198.51.100.7' },
      };
    default:
      return { name, neighbour: 'caller', settings: {}, from: NEIGHBOUR, fields: {} };
  }
});
