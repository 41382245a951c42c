// A protected API: what it is sent comes back, without the token.
import { readBody, sendJson } from './http.mjs';

export async function api(provider, counters, request, response, path) {
  const body = await readBody(request);
  const token = await bearer(provider, request.headers.authorization);
  counters.add(token?.clientId, 'api_requests');
  if (!token) {
    counters.add(undefined, 'api_unauthorized');
    const challenge = request.headers.authorization
      ? 'Bearer realm="api", error="invalid_token"'
      : 'Bearer realm="api"';
    sendJson(response, 401, { error: 'invalid_token' }, { 'www-authenticate': challenge });
    return;
  }
  const { authorization, cookie, ...headers } = request.headers;
  sendJson(response, 200, {
    method: request.method,
    path,
    headers,
    body,
    client_id: token.clientId,
    scope: token.scope,
    sub: token.accountId,
    audience: token.aud,
  });
}

async function bearer(provider, header = '') {
  const [, value] = header.match(/^Bearer ([\x21-\x7e]+)$/i) ?? [];
  if (!value) return undefined;
  return await provider.AccessToken.find(value) ?? await provider.ClientCredentials.find(value);
}
