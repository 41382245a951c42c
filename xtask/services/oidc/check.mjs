// Checks the authorization server before any test relies on it: `node check.mjs URL`.
// Every client is registered for this run, so nothing is left behind in the counters of the others.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';

const [, , url] = process.argv;
const post = (path, body, headers = {}) => fetch(url + path, { method: 'POST', body, headers, redirect: 'manual' });
const json = async (answer) => ({ status: answer.status, ...await answer.json() });
const control = async (name, wanted) => json(await post(`/__test/${name}`, JSON.stringify(wanted)));
const counters = async (id) => json(await fetch(`${url}/__test/counters?client_id=${encodeURIComponent(id)}`));
const encode = (text) => new URLSearchParams([['', text]]).toString().slice(1);
const basic = ({ client_id: id, client_secret: secret }) => ({
  authorization: `Basic ${Buffer.from(`${encode(id)}:${encode(secret)}`).toString('base64')}`,
});
const token = async (fields, headers) => json(await post('/token', new URLSearchParams(fields), headers));
const callApi = (accessToken) => fetch(`${url}/api/me`, { headers: { authorization: `Bearer ${accessToken}` } });
const refresh = (client, refreshToken) => token({
  grant_type: 'refresh_token', client_id: client.client_id, refresh_token: refreshToken,
});

/** A person's browser: follows redirects by hand, keeps cookies, fills in the two forms. */
async function login(client, redirectUri) {
  const verifier = randomBytes(32).toString('base64url');
  const cookies = new Map();
  let target = `${url}/auth?${new URLSearchParams({
    client_id: client.client_id,
    response_type: 'code',
    redirect_uri: redirectUri,
    scope: 'openid api:read',
    state: 'state',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  })}`;
  for (let step = 0; step < 12; step += 1) {
    const form = target.match(/\/interaction\/[^/]+$/) && await fetch(target, { headers: cookieHeader(cookies) });
    const action = form && (await form.text()).match(/action="([^"]+\/(?:login|confirm))"/)[1];
    const answer = await fetch(action ? url + action : target, {
      method: action ? 'POST' : 'GET',
      body: action?.endsWith('/login') ? new URLSearchParams({ login: 'alice' }) : undefined,
      headers: cookieHeader(cookies),
      redirect: 'manual',
    });
    for (const line of answer.headers.getSetCookie()) {
      const [, name, value] = line.match(/^([^=]+)=([^;]*)/);
      cookies.set(name, value);
    }
    target = new URL(answer.headers.get('location'), url).href;
    if (target.startsWith(redirectUri)) return { code: new URL(target).searchParams, verifier };
  }
  throw new Error('the sign-in does not end');
}

const cookieHeader = (cookies) => ({ cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') });

async function loggedIn(client, redirectUri, headers) {
  const { code, verifier } = await login(client, redirectUri);
  assert.equal(code.get('state'), 'state');
  assert.equal(code.get('iss'), url);
  const tokens = await token({
    grant_type: 'authorization_code',
    code: code.get('code'),
    redirect_uri: redirectUri,
    code_verifier: verifier,
    ...(headers ? {} : { client_id: client.client_id }),
  }, headers);
  assert.equal(tokens.status, 200, JSON.stringify(tokens));
  assert.ok(tokens.refresh_token && tokens.id_token);
  return tokens;
}

const checks = {
  async 'client credentials by basic and post'() {
    const wanted = { grant_type: 'client_credentials', scope: 'api:read' };
    const byBasic = await control('clients', { kind: 'cc-basic' });
    const byPost = await control('clients', { kind: 'cc-post' });
    const odd = { client_id: 'odd:id 100%+1', client_secret: 'odd:secret 50%+2/&=?' };
    const { client_id, client_secret } = byPost;
    for (const answer of [
      await token(wanted, basic(byBasic)),
      await token({ ...wanted, client_id, client_secret }),
      await token(wanted, basic(odd)),
    ]) {
      assert.equal(answer.status, 200, JSON.stringify(answer));
      assert.equal(answer.scope, 'api:read');
      assert.equal((await callApi(answer.access_token)).status, 200);
    }
    assert.equal((await token(wanted, basic({ ...byBasic, client_secret: 'wrong' }))).error, 'invalid_client');
    assert.equal((await counters(byBasic.client_id)).token_requests.client_credentials, 2);
    await control('reset', { client_id: odd.client_id });
  },

  async 'code with PKCE, then a refresh that rotates'() {
    const client = await control('clients', { kind: 'native' });
    const tokens = await loggedIn(client, 'http://127.0.0.1:51234/callback');
    assert.equal((await (await callApi(tokens.access_token)).json()).sub, 'alice');
    const next = await refresh(client, tokens.refresh_token);
    assert.equal(next.status, 200);
    assert.notEqual(next.refresh_token, tokens.refresh_token);

    const replay = await refresh(client, tokens.refresh_token);
    assert.equal(replay.error, 'invalid_grant');
    assert.equal((await refresh(client, next.refresh_token)).error, 'invalid_grant');
    assert.equal((await callApi(next.access_token)).status, 401);
    const counted = await counters(client.client_id);
    assert.equal(counted.refresh_consumed, 1);
    assert.equal(counted.refresh_replayed, 1);
    assert.equal(counted.refresh_double_consumed, 0);
    assert.equal(counted.grants_revoked, 1);
    assert.equal(counted.token_requests.refresh_token, 3);
    assert.equal(counted.token_errors.invalid_grant, 2);
  },

  async 'of parallel refreshes one wins'() {
    const client = await control('clients', { kind: 'native' });
    const tokens = await loggedIn(client, 'http://127.0.0.1:9999/callback');
    const answers = await Promise.all(Array.from({ length: 10 }, () => refresh(client, tokens.refresh_token)));
    assert.equal(answers.filter(({ status }) => status === 200).length, 1);
    assert.equal((await counters(client.client_id)).refresh_consumed, 1);
  },

  async 'a confidential client keeps its refresh token'() {
    const client = await control('clients', { kind: 'web' });
    const tokens = await loggedIn(client, 'http://127.0.0.1:9999/callback', basic(client));
    const next = await token({ grant_type: 'refresh_token', refresh_token: tokens.refresh_token }, basic(client));
    assert.equal(next.status, 200);
    assert.equal(next.refresh_token, tokens.refresh_token);
  },

  async 'an authorization request without PKCE is refused'() {
    const answer = await fetch(`${url}/auth?client_id=native&response_type=code&scope=openid&redirect_uri=${
      encodeURIComponent('http://127.0.0.1:9999/callback')}`, { redirect: 'manual' });
    assert.equal(new URL(answer.headers.get('location')).searchParams.get('error'), 'invalid_request');
  },

  async 'revocation and introspection'() {
    const client = await control('clients', { kind: 'web' });
    const tokens = await loggedIn(client, 'http://127.0.0.1:9999/callback', basic(client));
    const ask = async () => json(await post('/token/introspection', new URLSearchParams({ token: tokens.refresh_token }), basic(client)));
    assert.equal((await ask()).active, true);
    const revoked = await post('/token/revocation', new URLSearchParams({ token: tokens.refresh_token }), basic(client));
    assert.equal(revoked.status, 200);
    assert.equal((await ask()).active, false);
  },

  async 'lifetimes and expiry'() {
    const client = await control('clients', { kind: 'cc-basic' });
    await control('ttl', { seconds: 7, client_id: client.client_id });
    const answer = await token({ grant_type: 'client_credentials' }, basic(client));
    assert.equal(answer.expires_in, 7);
    assert.equal((await control('expire', { client_id: client.client_id })).expired, 1);
    const refused = await callApi(answer.access_token);
    assert.equal(refused.status, 401);
    assert.match(refused.headers.get('www-authenticate'), /error="invalid_token"/);
  },

  async 'faults happen as often as asked, to whom they were meant for'() {
    const client = await control('clients', { kind: 'cc-basic' });
    const mine = { client_id: client.client_id };
    const ask = () => token({ grant_type: 'client_credentials' }, basic(client));
    await control('faults', { ...mine, status: 503, headers: { 'retry-after': '1' }, body: 'busy', times: 2 });
    for (let i = 0; i < 2; i += 1) {
      const answer = await post('/token', new URLSearchParams({ grant_type: 'client_credentials' }), basic(client));
      assert.deepEqual([answer.status, await answer.text(), answer.headers.get('retry-after')], [503, 'busy', '1']);
    }
    await control('faults', { ...mine, drop: true });
    await assert.rejects(ask);
    await control('faults', { ...mine, cutAfter: 5 });
    await assert.rejects(ask);
    await control('faults', { ...mine, delay: 1, delay_after: 1, grant_type: 'client_credentials' });
    assert.equal((await ask()).status, 200);
    assert.equal((await control('faults', { nonsense: 1 })).status, 400);
  },

  async 'a lost answer has spent the refresh token'() {
    const client = await control('clients', { kind: 'native' });
    const tokens = await loggedIn(client, 'http://127.0.0.1:9999/callback');
    await control('faults', { client_id: client.client_id, drop_after: true });
    await assert.rejects(refresh(client, tokens.refresh_token));
    assert.equal((await counters(client.client_id)).refresh_consumed, 1);
    assert.equal((await refresh(client, tokens.refresh_token)).error, 'invalid_grant');
  },

  async 'the API says back what it was sent, but no token'() {
    const client = await control('clients', { kind: 'cc-basic' });
    const { access_token: accessToken } = await token({ grant_type: 'client_credentials' }, basic(client));
    const answer = await post('/api/echo?x=1', 'hello', { authorization: `Bearer ${accessToken}`, 'x-own': 'yes' });
    const text = await answer.text();
    assert.ok(!text.includes(accessToken));
    const { method, path, body, headers } = JSON.parse(text);
    assert.deepEqual([method, path, body, headers['x-own']], ['POST', '/api/echo?x=1', 'hello', 'yes']);
    assert.equal((await fetch(`${url}/api/x`)).status, 401);
  },
};

let failed = 0;
for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
  } catch (error) {
    failed += 1;
    console.error(`${name}: ${error.stack}`);
  }
}
await control('reset', {});
console.error(`authorization server: ${Object.keys(checks).length - failed} checks passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
