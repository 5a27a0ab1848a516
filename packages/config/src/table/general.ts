import { ENVIRONMENTS } from '@ideogate/contract';
import type { Setting } from '../setting.ts';

/** What is served, by which policy, and where it keeps what it must not lose. */
export const GENERAL = {
  environment: {
    type: 'choice',
    variable: 'IDEOGATE_ENVIRONMENT',
    options: ENVIRONMENTS,
    default: 'staging',
    rule: `is none of ${ENVIRONMENTS.join(', ')}`,
    meaning: 'development, staging or production.',
    readBy: ['gateway', 'worker', 'standalone', 'cli'],
  },
  port: {
    type: 'number',
    variable: 'IDEOGATE_PORT',
    unit: null,
    default: 8787,
    min: 1,
    max: 65_531,
    rule: 'must be a port from 1 to 65531: the four above it are used too',
    meaning: 'Port of the gateway; the others follow from it.',
    readBy: ['gateway', 'issuer', 'standalone'],
  },
  data: {
    type: 'path',
    variable: 'IDEOGATE_DATA',
    default: '.ideogate',
    meaning: 'Data folder.',
    readBy: ['standalone', 'cli'],
  },
  policy: {
    type: 'list',
    variable: 'IDEOGATE_POLICY',
    default: null,
    defaultIs: 'infra/policies/default.yaml',
    meaning: 'Policy files, joined by commas.',
    readBy: ['gateway', 'issuer', 'worker', 'standalone', 'cli'],
  },
  issuers: {
    type: 'path',
    variable: 'IDEOGATE_ISSUERS',
    default: null,
    meaning: "JSON file of issuers trusted besides the product's own.",
    readBy: ['gateway', 'standalone'],
  },
  webhooks: {
    type: 'path',
    variable: 'IDEOGATE_WEBHOOKS',
    default: null,
    meaning: 'JSON file of the endpoints at which webhooks come in.',
    more: { title: 'Webhooks', target: 'webhooks.md' },
    readBy: ['gateway', 'worker', 'standalone'],
  },
  controlFolder: {
    type: 'path',
    variable: 'IDEOGATE_CONTROL_DIR',
    default: null,
    defaultIs: '`control` in the data folder',
    meaning:
      'Folder of the sockets by which orders reach the gateways of this machine at once; nobody but its owner may enter it.',
    readBy: ['gateway', 'standalone', 'cli'],
  },
  redisUrl: {
    type: 'secret',
    variable: 'REDIS_URL',
    form: {
      accepts: (text) => /^rediss?:\/\//.test(text),
      rule: 'must begin with redis:// or rediss://',
    },
    meaning: 'Redis in which gateways share their rate limits.',
    readBy: ['gateway', 'standalone'],
  },
} as const satisfies Record<string, Setting>;

/** Where callers reach the gateway, and who of them may say what of itself. */
export const LISTEN = {
  host: {
    type: 'text',
    variable: 'IDEOGATE_HOST',
    default: '127.0.0.1',
    meaning: 'Address the gateway listens on.',
    readBy: ['gateway', 'standalone'],
  },
  tlsCert: {
    type: 'path',
    variable: 'IDEOGATE_TLS_CERT',
    default: null,
    meaning: 'Certificate file (PEM) of the gateway; read again when it changes.',
    readBy: ['gateway', 'standalone'],
  },
  tlsKey: {
    type: 'path',
    variable: 'IDEOGATE_TLS_KEY',
    default: null,
    meaning: 'Its key file (PEM).',
    readBy: ['gateway', 'standalone'],
  },
  plainHttp: {
    type: 'text',
    variable: 'IDEOGATE_PLAIN_HTTP',
    default: null,
    meaning: '`i-terminate-tls-in-front-of-this` allows plain http off loopback.',
    readBy: ['gateway', 'standalone'],
  },
  trustedProxies: {
    type: 'list',
    variable: 'IDEOGATE_TRUSTED_PROXIES',
    default: null,
    example: '10.0.0.0/8=x-forwarded-for,fd00::/8=forwarded,192.0.2.7/32=proxy-protocol',
    meaning:
      'Proxies in front of the gateway whose word is taken on who calls, each network with its form, joined by commas.',
    more: { title: 'Behind a proxy', target: '#behind-a-proxy' },
    readBy: ['gateway', 'standalone'],
  },
  corsOrigins: {
    type: 'list',
    variable: 'IDEOGATE_CORS_ORIGINS',
    default: null,
    meaning: 'Web pages that may call, by their exact origins, joined by commas; others are refused.',
    more: { title: 'Web pages', target: '#web-pages' },
    readBy: ['gateway', 'standalone'],
  },
} as const satisfies Record<string, Setting>;
