// Control endpoints under /__test/, for tests only.
import { newClient } from './clients.mjs';
import { readBody, sendJson } from './http.mjs';

const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const snakeKeys = (object) => Object.fromEntries(Object.entries(object).map(([name, value]) => [snake(name), value]));

export class Lifetimes {
  #default = 3600;

  #clients = new Map();

  set(seconds, clientId) {
    if (!Number.isInteger(seconds) || seconds < 1) throw new TypeError('seconds must be a positive integer');
    if (clientId) this.#clients.set(clientId, seconds);
    else this.#default = seconds;
  }

  of(clientId) {
    return this.#clients.get(clientId) ?? this.#default;
  }

  reset(clientId) {
    if (clientId) this.#clients.delete(clientId);
    else this.#clients.clear();
    if (!clientId) this.#default = 3600;
  }
}

const actions = {
  'GET counters': ({ counters }, _wanted, query) => counters.report(query.get('client_id')),
  'POST reset': ({ counters, faults, lifetimes }, wanted) => {
    for (const part of [counters, faults, lifetimes]) part.reset(wanted.client_id);
    return {};
  },
  'GET faults': ({ faults }) => faults.pending,
  'POST faults': ({ faults }, wanted) => {
    faults.add(wanted);
    return { pending: faults.pending.length };
  },
  'POST expire': ({ storage }, wanted) => ({ expired: storage.expire(wanted.tokens, wanted.client_id) }),
  'POST ttl': ({ lifetimes }, wanted) => {
    lifetimes.set(wanted.seconds, wanted.client_id);
    return { seconds: wanted.seconds };
  },
  'POST clients': async ({ storage }, wanted) => {
    const client = newClient(wanted);
    await storage.adapterFor('Client').upsert(client.client_id, client);
    return client;
  },
};

export async function control(state, request, response, path, query) {
  const action = actions[`${request.method} ${path.slice('/__test/'.length)}`];
  if (!action) {
    sendJson(response, 404, { error: 'no such control', controls: Object.keys(actions) });
    return;
  }
  try {
    const text = await readBody(request);
    const wanted = snakeKeys(text ? JSON.parse(text) : {});
    sendJson(response, 200, await action(state, wanted, query));
  } catch (error) {
    sendJson(response, 400, { error: error.message });
  }
}
