import type { SettingValues } from '@ideogate/config';

/** What the issuer lets clients and addresses have: the issuer's numbers in the table of settings. */
export type IssuerLimits = SettingValues['issuer'];
