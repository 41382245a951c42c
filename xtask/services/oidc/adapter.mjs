// Storage of the authorization server: unbounded, in memory, and strict about spending.
//
// `consume` is one step without an await, so that of two parallel refreshes exactly one wins and the
// other is counted. A store that lets both win would hide the very fault the tests look for.
import { errors } from 'oidc-provider';

const GRANTED = new Set(['AccessToken', 'AuthorizationCode', 'RefreshToken']);
const ACCESS_TOKENS = new Set(['AccessToken', 'ClientCredentials']);
const now = () => Math.floor(Date.now() / 1000);

export class Storage {
  constructor(counters) {
    this.counters = counters;
    this.entries = new Map();
    this.grants = new Map();
    this.sessions = new Map();
  }

  adapterFor(model) {
    return new Adapter(model, this);
  }

  /** Makes every access (or refresh) token look expired, of one client or of all. */
  expire(kind, clientId) {
    const models = kind === 'refresh' ? new Set(['RefreshToken']) : ACCESS_TOKENS;
    let expired = 0;
    for (const { model, payload } of this.entries.values()) {
      if (models.has(model) && (!clientId || payload.clientId === clientId) && payload.exp > now() - 1) {
        payload.exp = now() - 1;
        expired += 1;
      }
    }
    return expired;
  }
}

class Adapter {
  constructor(model, storage) {
    this.model = model;
    this.storage = storage;
  }

  key(id) {
    return `${this.model}:${id}`;
  }

  async upsert(id, payload, expiresIn) {
    const { entries, grants, sessions } = this.storage;
    const until = typeof expiresIn === 'number' ? Date.now() + expiresIn * 1000 : Infinity;
    entries.set(this.key(id), { model: this.model, payload, until });
    if (this.model === 'Session') sessions.set(payload.uid, id);
    if (GRANTED.has(this.model) && payload.grantId) {
      const members = grants.get(payload.grantId) ?? new Set();
      grants.set(payload.grantId, members.add(this.key(id)));
    }
  }

  async find(id) {
    const entry = this.storage.entries.get(this.key(id));
    if (entry && entry.until <= Date.now()) {
      this.storage.entries.delete(this.key(id));
      return undefined;
    }
    return entry?.payload;
  }

  async findByUid(uid) {
    return this.find(this.storage.sessions.get(uid));
  }

  async findByUserCode() {
    return undefined;
  }

  async consume(id) {
    const entry = this.storage.entries.get(this.key(id));
    const refresh = this.model === 'RefreshToken';
    if (entry?.payload.consumed) {
      if (refresh) this.storage.counters.add(entry.payload.clientId, 'refresh_double_consumed');
      throw new errors.InvalidGrant(`${this.model} already used`);
    }
    if (!entry) throw new errors.InvalidGrant(`${this.model} not found`);
    entry.payload.consumed = now();
    if (refresh) this.storage.counters.add(entry.payload.clientId, 'refresh_consumed');
  }

  async destroy(id) {
    this.storage.entries.delete(this.key(id));
  }

  async revokeByGrantId(grantId) {
    const members = this.storage.grants.get(grantId) ?? [];
    for (const key of members) this.storage.entries.delete(key);
    this.storage.grants.delete(grantId);
  }
}
