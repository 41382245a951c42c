// The clients every run starts with, and the kinds a test may register for itself.
import { randomBytes } from 'node:crypto';

const API_SCOPES = 'api:read api:write';
const LOGIN_SCOPES = `openid offline_access ${API_SCOPES}`;

// `http://127.0.0.1/callback` stands for every port of the loopback address (RFC 8252, section 7.3).
const NATIVE_REDIRECTS = [
  'http://127.0.0.1/callback',
  'http://[::1]/callback',
  'http://127.0.0.1:9999/callback',
];

const KINDS = {
  'cc-basic': {
    token_endpoint_auth_method: 'client_secret_basic',
    grant_types: ['client_credentials'],
    response_types: [],
    redirect_uris: [],
    scope: API_SCOPES,
  },
  'cc-post': {
    token_endpoint_auth_method: 'client_secret_post',
    grant_types: ['client_credentials'],
    response_types: [],
    redirect_uris: [],
    scope: API_SCOPES,
  },
  web: {
    token_endpoint_auth_method: 'client_secret_basic',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    redirect_uris: ['http://127.0.0.1:9999/callback'],
    scope: LOGIN_SCOPES,
  },
  native: {
    application_type: 'native',
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    redirect_uris: NATIVE_REDIRECTS,
    scope: LOGIN_SCOPES,
  },
};

export const fixedClients = () => [
  { ...KINDS['cc-basic'], client_id: 'cc-basic', client_secret: 'cc-basic-secret' },
  { ...KINDS['cc-post'], client_id: 'cc-post', client_secret: 'cc-post-secret' },
  { ...KINDS.web, client_id: 'web', client_secret: 'web-secret' },
  { ...KINDS.native, client_id: 'native' },
  // Every character that Basic authentication needs form-encoded (RFC 6749, section 2.3.1).
  { ...KINDS['cc-basic'], client_id: 'odd:id 100%+1', client_secret: 'odd:secret 50%+2/&=?' },
];

/** A client of one kind with a name of its own, so that parallel tests never share counters. */
export function newClient({ kind, ...overrides }) {
  if (!Object.hasOwn(KINDS, kind)) {
    throw new TypeError(`kind must be one of ${Object.keys(KINDS).join(', ')}`);
  }
  const id = `${kind}-${randomBytes(6).toString('hex')}`;
  const secret = KINDS[kind].token_endpoint_auth_method === 'none'
    ? {}
    : { client_secret: randomBytes(16).toString('hex') };
  return { ...KINDS[kind], client_id: id, ...secret, ...overrides };
}
