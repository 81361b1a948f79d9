// Charges an order once, through a provider that speaks HTTP.
//
//   node pay.js [--timeout S] [--lease S] [--window S] [--quarantine S] LATCHKEY PROVIDER ORDER AMOUNT
//
// LATCHKEY_PROTOS names the directories with the .proto files. Exit code 0: the order has its final outcome.
// 1: not yet, come again. 2: refused. 3: it was charged or declined, and Latchkey could not be told; what is
// printed is the only copy.

import { createHmac } from 'node:crypto';
import { hostname } from 'node:os';
import { parseArgs } from 'node:util';

import { connect, once, Refused, Unrecorded, Unsettled } from './once.js';

/** A provider that takes our reference as its idempotency key. */
class Provider {
  constructor(url, timeout) {
    this.url = url;
    this.timeout = timeout;
  }

  charge(amount, reference) {
    return this.#call('/charges', reference, { method: 'POST', body: JSON.stringify({ amount }) });
  }

  find(reference) {
    return this.#call(`/charges/${reference}`, reference, { method: 'GET' });
  }

  async #call(path, reference, options) {
    const answer = await fetch(this.url + path, {
      ...options, headers: { 'Idempotency-Key': reference }, signal: AbortSignal.timeout(1000 * this.timeout),
    });
    if (answer.status === 404 && options.method === 'GET') return null;
    if (answer.status === 402) return { outcome: 'REJECTED', code: (await answer.json()).code };
    if (answer.status !== 200) throw new Error(`the provider: ${answer.status}`);
    return { outcome: 'SUCCEEDED', reference: (await answer.json()).id };
  }
}

/**
 * What the work is. Keyed, so that nobody who reads records can guess amounts from it; a real key comes from
 * where secrets are kept.
 */
function fingerprintOf(order, amount) {
  return createHmac('sha256', 'a secret of this service').update(`${order}\0${amount}`).digest();
}

const words = ({ outcome, reference, code }) => `${outcome} ${reference || code}`;

const defaults = { timeout: 10, lease: 30, window: 24 * 3600, quarantine: 120 };
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: Object.fromEntries(Object.keys(defaults).map((name) => [name, { type: 'string' }])),
});
const durations = Object.fromEntries(
  Object.entries(defaults).map(([name, value]) => [name, Number(values[name] ?? value)]));
const [latchkey, url, order, amount] = positionals;
const protos = (process.env.LATCHKEY_PROTOS ?? '/usr/share/latchkey/proto').split(':');
const service = connect(latchkey, ...protos);
const provider = new Provider(url, durations.timeout);

try {
  const { result, superseded } = await once(
    service,
    {
      key: `order:${order}`,
      fingerprint: fingerprintOf(order, amount),
      holder_id: `${hostname()}:${process.pid}`,
    },
    durations,
    (reference) => provider.charge(amount, reference),
    (reference) => provider.find(reference));
  console.log(words({ ...result, reference: result.provider_reference }));
  if (superseded) console.error(`superseded; this call: ${words(superseded)}`);
} catch (error) {
  if (error instanceof Unsettled) {
    console.log(`UNSETTLED ${error.message}`);
    process.exitCode = 1;
  } else if (error instanceof Refused) {
    console.log(`REFUSED ${error.message}`);
    process.exitCode = 2;
  } else if (error instanceof Unrecorded) {
    console.log(`UNRECORDED ${words(error.outcome)}`);
    process.exitCode = 3;
  } else {
    throw error;
  }
}
