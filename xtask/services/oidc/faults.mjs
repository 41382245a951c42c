// Faults a test asks for. Each matches a path, and if given a client and a grant type, `times` times.
import { setTimeout as sleep } from 'node:timers/promises';

const DEFAULTS = {
  path: '/token', // matched as a prefix
  client_id: undefined,
  grant_type: undefined,
  times: 1,
  delay: 0, // milliseconds before the server looks at the request
  drop: false, // close the connection instead of looking at the request
  status: undefined, // answer this instead of looking at the request
  headers: {},
  body: undefined, // text as it is; anything else as JSON
  delay_after: 0, // milliseconds between doing the work and answering
  drop_after: false, // do the work, then close the connection instead of answering
  cut_after: undefined, // do the work, answer this many bytes of the body, then close
};

export class Faults {
  constructor() {
    this.pending = [];
  }

  add(wanted) {
    const unknown = Object.keys(wanted).filter((name) => !Object.hasOwn(DEFAULTS, name));
    if (unknown.length) throw new TypeError(`unknown: ${unknown.join(', ')}`);
    this.pending.push({ ...DEFAULTS, ...wanted });
  }

  reset(clientId) {
    this.pending = clientId ? this.pending.filter((fault) => fault.client_id !== clientId) : [];
  }

  take(path, clientId, grantType) {
    const fault = this.pending.find((candidate) => path.startsWith(candidate.path)
      && [undefined, clientId].includes(candidate.client_id)
      && [undefined, grantType].includes(candidate.grant_type));
    if (!fault) return undefined;
    fault.times -= 1;
    if (fault.times <= 0) this.pending = this.pending.filter((other) => other !== fault);
    return fault;
  }
}

/** Carries out a fault. True: the request is answered (or cut off) and must not be handled. */
export async function applyFault(fault, request, response) {
  if (fault.delay) await sleep(fault.delay);
  if (fault.drop) {
    request.socket.destroy();
    return true;
  }
  if (fault.status) {
    const text = typeof fault.body === 'string' ? fault.body : JSON.stringify(fault.body ?? {});
    response.writeHead(fault.status, { 'content-type': 'application/json', ...fault.headers });
    response.end(text);
    return true;
  }
  spoilAnswer(fault, response);
  return false;
}

function spoilAnswer(fault, response) {
  const end = response.end.bind(response);
  response.end = (chunk, ...rest) => {
    const finish = () => {
      if (fault.drop_after) {
        response.socket?.destroy();
      } else if (fault.cut_after !== undefined) {
        response.write(Buffer.from(chunk ?? '').subarray(0, fault.cut_after), () => response.socket?.destroy());
      } else {
        end(chunk, ...rest);
      }
    };
    if (fault.delay_after) setTimeout(finish, fault.delay_after);
    else finish();
    return response;
  };
}
