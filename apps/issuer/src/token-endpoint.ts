import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  didYouMean,
  parseScopePattern,
  SCOPE_NAMES,
  type ScopeName,
  type ScopePattern,
  WILDCARDS,
} from '@ideogate/contract';
import type { Adapter, Configuration, errors as ProviderErrors, Provider } from 'oidc-provider';
import type { ClientSecret } from './clients.ts';
import type { IssuerKeys } from './issuer-keys.ts';
import { type CallerGrant, scopesToGive } from './scopes-to-give.ts';

/** Seconds a token lives: five minutes, well inside the fifteen that a gateway takes. */
const TOKEN_LIFETIME_SECONDS = 300;

interface TokenRules {
  readonly issuer: string;
  readonly audience: string;
  readonly keys: IssuerKeys;
  readonly clients: readonly ClientSecret[];
  grantOf(clientId: string): CallerGrant;
  expand(pattern: ScopePattern): readonly ScopeName[];
  onError(error: Error): void;
}

/**
 * The token endpoint (RFC 6749 section 3.2) for `client_credentials` (section 4.4) and nothing else. Tokens are
 * RFC 9068 JWTs; nothing is stored.
 */
export async function createTokenEndpoint(rules: TokenRules): Promise<TokenEndpoint> {
  const { Provider, errors } = await importProvider();
  const provider = new Provider(rules.issuer, configuration(rules, errors));
  provider.on('server_error', (_, error) => rules.onError(error));
  // Koa's own prints every fault of a connection.
  Object.assign(provider, { onerror: (error: Error) => rules.onError(error) });
  const handle = provider.callback();
  return async (request, response) => {
    await handle(request, response);
  };
}

/** Resolves once the request is answered. */
export type TokenEndpoint = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** On Node releases without an LTS name the package warns on the console when it is loaded: noise in our output. */
async function importProvider(): Promise<{ Provider: typeof Provider; errors: typeof ProviderErrors }> {
  const { warn } = console;
  console.warn = (...words: unknown[]) => {
    if (!String(words[0]).includes('oidc-provider WARNING: Unsupported runtime')) warn.apply(console, words);
  };
  try {
    return await import('oidc-provider');
  } finally {
    console.warn = warn;
  }
}

function configuration(rules: TokenRules, errors: typeof ProviderErrors): Configuration {
  const [{ alg, kid }] = rules.keys.jwks;
  return {
    adapter: noStorage,
    jwks: { keys: rules.keys.jwks.map((jwk) => ({ ...jwk })) },
    clients: rules.clients.map((client) => ({ ...client })),
    clientDefaults: {
      grant_types: ['client_credentials'],
      response_types: [],
      redirect_uris: [],
      token_endpoint_auth_method: 'client_secret_basic',
      id_token_signed_response_alg: alg, // trap 30: the default, RS256, is refused where no RSA key is
    },
    clientAuthMethods: ['client_secret_basic'],
    responseTypes: [],
    scopes: [],
    ttl: { ClientCredentials: TOKEN_LIFETIME_SECONDS },
    claims: {},
    routes: { token: '/token' },
    enableHttpPostMethods: false,
    clientBasedCORS: () => false,
    renderError: (ctx, out) => {
      ctx.body = out; // JSON also for who says that it likes HTML better
    },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      dPoP: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      userinfo: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => rules.audience,
        // Trap 30: whatever isn't refused here is given. Scopes beyond a client's are dropped in silence, any
        // resource is accepted, and no scope makes a token without one.
        getResourceServerInfo: (ctx, resource, client) => {
          if (resource !== rules.audience) {
            throw new errors.InvalidTarget(`resource must be ${rules.audience}, or be left out`);
          }
          const { params } = ctx.oidc;
          const requested = typeof params?.['scope'] === 'string' ? params['scope'] : undefined;
          const given = scopesToGive(requested, rules.grantOf(client.clientId), (pattern) =>
            rules.expand(pattern),
          );
          if (!given.ok) {
            const refused = given.refused.join(' ');
            throw new errors.InvalidScope(
              `not granted to this client in this environment: ${refused}${meant(given.refused)}`,
              refused,
            );
          }
          if (given.scopes.length === 0) {
            throw new errors.InvalidScope('nothing is granted to this client in this environment', '');
          }
          const scope = given.scopes.join(' ');
          if (params !== undefined) params['scope'] = scope; // from here on plain scopes only
          return {
            scope,
            audience: rules.audience,
            accessTokenFormat: 'jwt',
            jwt: { sign: { alg, kid } },
          };
        },
      },
    },
  };
}

/** JWT access tokens need no storage, and the memory adapter would warn, and hold what it is given. */
function noStorage(): Adapter {
  const nothing = () => Promise.resolve(undefined);
  return {
    upsert: nothing,
    find: nothing,
    findByUserCode: nothing,
    findByUid: nothing,
    consume: nothing,
    destroy: nothing,
    revokeByGrantId: nothing,
  };
}

/** For words that are no scopes: those that may have been meant. Says nothing of what is granted. */
function meant(refused: readonly string[]): string {
  const unknown = refused.filter((word) => parseScopePattern(word) === undefined).slice(0, 5);
  const near = unknown.flatMap((word) => didYouMean(word, [...SCOPE_NAMES, ...WILDCARDS]) ?? []);
  return near.length === 0 ? '' : ` (did you mean ${[...new Set(near)].join(' ')}?)`;
}
