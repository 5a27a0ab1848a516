/** Where a gateway is, for tests of its configuration alone. */
export const PLACE = {
  environment: 'staging',
  identifier: 'https://gateway.invalid',
  issuers: ['https://issuer.invalid'],
  host: '127.0.0.1',
  port: 8787,
  upstream: 'https://api.ideogram.ai',
} as const;
