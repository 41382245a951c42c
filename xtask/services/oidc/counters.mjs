// What happened, per client: tests run in parallel, so a total alone would prove nothing.

const NUMBERS = [
  'refresh_consumed',
  'refresh_double_consumed',
  'refresh_replayed',
  'grants_revoked',
  'api_requests',
  'api_unauthorized',
];
const TABLES = ['token_requests', 'token_errors'];

const empty = () => Object.fromEntries([
  ...TABLES.map((name) => [name, {}]),
  ...NUMBERS.map((name) => [name, 0]),
]);

export class Counters {
  constructor() {
    this.clients = new Map();
  }

  of(clientId = 'unknown') {
    if (!this.clients.has(clientId)) this.clients.set(clientId, empty());
    return this.clients.get(clientId);
  }

  add(clientId, number) {
    this.of(clientId)[number] += 1;
  }

  addTo(clientId, table, row) {
    const rows = this.of(clientId)[table];
    rows[row] = (rows[row] ?? 0) + 1;
  }

  reset(clientId) {
    if (clientId) this.clients.delete(clientId);
    else this.clients.clear();
  }

  /** One client's counters (zeros when it was never seen), or the total with each client's. */
  report(clientId) {
    if (clientId) return this.clients.get(clientId) ?? empty();
    const total = empty();
    for (const counters of this.clients.values()) {
      for (const name of NUMBERS) total[name] += counters[name];
      for (const table of TABLES) {
        for (const [row, count] of Object.entries(counters[table])) {
          total[table][row] = (total[table][row] ?? 0) + count;
        }
      }
    }
    return { total, clients: Object.fromEntries(this.clients) };
  }
}
