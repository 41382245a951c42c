// The authorization server itself: node-oidc-provider with its own rules for rotation and reuse.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { Provider, errors } from 'oidc-provider';
import { fixedClients } from './clients.mjs';

const API = 'urn:tokenkeep:api';

export function createProvider(issuer, { storage, counters, lifetimes }) {
  const provider = new Provider(issuer, configuration(storage, lifetimes));
  provider.on('grant.revoked', (ctx) => counters.add(ctx.oidc.client?.clientId, 'grants_revoked'));
  provider.on('grant.error', (ctx, error) => {
    const clientId = ctx.oidc.client?.clientId;
    counters.addTo(clientId, 'token_errors', error.error ?? 'unknown');
    if (error.error_detail === 'refresh token already used') counters.add(clientId, 'refresh_replayed');
  });
  provider.on('server_error', (_ctx, error) => console.error(error));
  return provider;
}

function configuration(storage, lifetimes) {
  const accessTokenLifetime = (_ctx, token) => lifetimes.of(token.clientId);
  return {
    adapter: (model) => storage.adapterFor(model),
    clients: fixedClients(),
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    jwks: { keys: [signingKey()] },
    cookies: { keys: [randomBytes(32).toString('hex')] },
    scopes: ['openid', 'offline_access', 'api:read', 'api:write'],
    clockTolerance: 0,
    pkce: { required: () => true },
    findAccount: async (_ctx, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
    interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    expiresWithSession: async () => false,
    ttl: {
      AccessToken: accessTokenLifetime,
      ClientCredentials: accessTokenLifetime,
      AuthorizationCode: 60,
      Grant: 30 * 86400,
      IdToken: 3600,
      Interaction: 3600,
      RefreshToken: 14 * 86400,
      Session: 86400,
    },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      introspection: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: resourceIndicators(),
    },
  };
}

function resourceIndicators() {
  return {
    enabled: true,
    // Without `resource` a token is for the API; `urn:tokenkeep:api:NAME` are further ones.
    defaultResource: async (_ctx, _client, oneOf) => oneOf ?? API,
    useGrantedResource: async () => true,
    getResourceServerInfo: async (_ctx, resource) => {
      if (resource !== API && !resource.startsWith(`${API}:`)) throw new errors.InvalidTarget();
      return { scope: 'api:read api:write', audience: resource, accessTokenFormat: 'opaque' };
    },
  };
}

function signingKey() {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'ES256', kid: 'test' };
}
