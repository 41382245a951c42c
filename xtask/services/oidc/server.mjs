// Starts the authorization server on a free port of the loopback address and prints one line of JSON
// when it is ready. It ends when its standard input ends, so that it cannot outlive who started it,
// however that one ended.
import { createServer } from 'node:http';
import { Storage } from './adapter.mjs';
import { api } from './api.mjs';
import { Lifetimes, control } from './control.mjs';
import { Counters } from './counters.mjs';
import { Faults, applyFault } from './faults.mjs';
import { readBody, sendJson } from './http.mjs';
import { interact } from './interactions.mjs';
import { createProvider } from './provider.mjs';

const counters = new Counters();
const state = {
  counters,
  faults: new Faults(),
  lifetimes: new Lifetimes(),
  storage: new Storage(counters),
};
let provider;
let provide;

async function handle(request, response) {
  const { pathname, searchParams } = new URL(request.url, 'http://127.0.0.1');
  if (pathname.startsWith('/__test/')) return control(state, request, response, pathname, searchParams);

  const client = pathname === '/token' ? await tokenRequest(request) : {};
  const fault = state.faults.take(pathname, client.id, client.grantType);
  if (fault && await applyFault(fault, request, response)) return undefined;

  if (/^\/api(\/|$)/.test(pathname)) return api(provider, counters, request, response, request.url);
  if (pathname.startsWith('/interaction/')) return interact(provider, request, response, pathname);
  return provide(request, response);
}

/** Counts a token request as it arrives: also one that a fault will swallow was sent. */
async function tokenRequest(request) {
  request.body = await readBody(request);
  const form = new URLSearchParams(request.body);
  const id = basicClientId(request.headers.authorization) ?? form.get('client_id') ?? undefined;
  const grantType = form.get('grant_type') ?? undefined;
  counters.addTo(id, 'token_requests', grantType ?? 'none');
  return { id, grantType };
}

function basicClientId(header = '') {
  const [, encoded] = header.match(/^Basic (\S+)$/i) ?? [];
  if (!encoded) return undefined;
  const [id] = Buffer.from(encoded, 'base64').toString().split(':');
  try {
    return decodeURIComponent(id.replaceAll('+', ' '));
  } catch {
    return id;
  }
}

const server = createServer((request, response) => {
  handle(request, response).catch((error) => {
    console.error(error);
    if (response.headersSent) response.destroy();
    else sendJson(response, 500, { error: 'server_error' });
  });
});
// A connection closed while idle would look to a client like a lost answer.
server.keepAliveTimeout = 0;
server.requestTimeout = 0;
server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => {
  const url = `http://127.0.0.1:${server.address().port}`;
  provider = createProvider(url, state);
  provide = provider.callback();
  console.log(JSON.stringify({ url, control_url: `${url}/__test` }));
});

process.stdin.on('end', () => process.exit(0)).on('error', () => process.exit(0)).resume();
