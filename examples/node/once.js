// What a caller of Latchkey owes it, with stock stubs. docs/other-languages.md gives the reasons.

import { randomUUID } from 'node:crypto';
import { uptime } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

/** There is no result yet. Call `once` again, with the same key. */
export class Unsettled extends Error {}
/** Latchkey has answered: not this call. The message is the reason, such as FINGERPRINT_MISMATCH. */
export class Refused extends Error {}
/** The work ended, and Latchkey could not be told. `outcome` is the only copy: keep it. */
export class Unrecorded extends Error {
  constructor(outcome) {
    super('unrecorded');
    this.outcome = outcome;
  }
}

/** Connects to Latchkey. `protos` is the directory with its .proto files. */
export function connect(address, ...protos) {
  const files = ['latchkey/v1/coordination.proto', 'google/rpc/status.proto', 'google/rpc/error_details.proto'];
  const loaded = loadSync(files, {
    includeDirs: protos, keepCase: true, longs: String, enums: String, defaults: true, oneofs: true,
  });
  const { CoordinationService } = grpc.loadPackageDefinition(loaded).latchkey.v1;
  // Without the option a client of a server that was down for long takes minutes to see it again.
  const stub = new CoordinationService(address, grpc.credentials.createInsecure(),
    { 'grpc.max_reconnect_backoff_ms': 1000 });
  return { stub, status: loaded['google.rpc.Status'], errorInfo: loaded['google.rpc.ErrorInfo'] };
}

// Runs on while the machine sleeps, which Node's other steady clocks do not.
const now = uptime;

const seconds = (duration) => (duration ? Number(duration.seconds) + duration.nanos / 1e9 : 0);

function duration(ofSeconds) {
  const whole = Math.floor(ofSeconds);
  return { seconds: whole, nanos: Math.round((ofSeconds - whole) * 1e9) };
}

/** The reason, if this is an answer of Latchkey; nothing if nothing was decided, or nobody knows. */
function refusal(service, error) {
  const { UNAVAILABLE, RESOURCE_EXHAUSTED, ABORTED } = grpc.status;
  if ([UNAVAILABLE, RESOURCE_EXHAUSTED, ABORTED].includes(error.code)) return undefined;
  for (const bytes of error.metadata?.get('grpc-status-details-bin') ?? []) {
    for (const detail of service.status.deserialize(bytes).details) {
      if (!detail.type_url.endsWith('/google.rpc.ErrorInfo')) continue;
      const info = service.errorInfo.deserialize(detail.value);
      if (info.domain === 'latchkey') return info.reason;
    }
  }
  return undefined;
}

/**
 * Repeats one and the same request until it is answered; gives the answer, and when the call that got it
 * was sent.
 */
async function ask(service, method, request, patience) {
  const giveUp = now() + patience;
  for (let pause = 0.05; ; pause = Math.min(2 * pause, 2)) {
    const sent = now();
    try {
      const answer = await new Promise((resolve, reject) => {
        service.stub[method](request, { deadline: Date.now() + 10_000 },
          (error, reply) => (error ? reject(error) : resolve(reply)));
      });
      return { answer, sent };
    } catch (error) {
      const reason = refusal(service, error);
      if (reason) throw new Refused(reason);
      if (now() + pause > giveUp) throw error;
    }
    await sleep(1000 * pause * (0.5 + Math.random() / 2));
  }
}

/** Renewed behind the work, until `stop`. A function that blocks the event loop for long blocks this, too. */
class Lease {
  #lost = false;
  #done = new AbortController();
  #safeUntil;

  constructor(service, ours, { server_elapsed, grant }, sent) {
    this.#safeUntil = Lease.#end(server_elapsed, grant.lease_remaining, sent);
    this.#renew(service, ours, seconds(grant.lease_remaining) / 3);
  }

  /** Nobody else is granted the key for so many seconds from now on. */
  covers(period) {
    return !this.#lost && now() + period < this.#safeUntil;
  }

  /** False: the lease was lost meanwhile. */
  async sleep(period) {
    for (const end = now() + period; now() < end && !this.#lost;) await sleep(100);
    return !this.#lost;
  }

  stop() {
    this.#done.abort();
  }

  // From before the call was sent; the answer may have been under way for long. 1% for drifting clocks.
  static #end(elapsed, remaining, sent) {
    return sent + 0.99 * (seconds(elapsed) + seconds(remaining));
  }

  async #renew(service, ours, period) {
    const { signal } = this.#done;
    while (await sleep(1000 * period, true, { signal }).catch(() => false)) {
      try {
        const { answer, sent } = await ask(service, 'RenewLease', ours, period);
        this.#safeUntil = Math.max(this.#safeUntil,
          Lease.#end(answer.server_elapsed, answer.lease_remaining, sent));
      } catch (error) {
        if (error instanceof Refused) {
          this.#lost = true;
          return;
        } // No answer: the lease may still be ours, and `covers` counts on.
      }
    }
  }
}

/**
 * Has the work of `key` done once among all callers.
 *
 * `durations`, in seconds, are explained in docs/recovery.md: timeout, lease, window, quarantine.
 * `send(reference)` does the work, `find(reference)` looks for it: they give {outcome, reference, code}, or
 * throw, which means that it may have acted. `find` gives null where the provider says that there is nothing.
 * Gives {result, superseded}: the one result of the key, and what this call did if that is something else.
 */
export async function once(service, { key, fingerprint, holder_id }, durations, send, find) {
  const attempt_id = randomUUID(); // new for every attempt, in memory only, the same on every retry
  const acquired = await ask(service, 'AcquireLock', {
    key, attempt_id, holder_id, fingerprint,
    lease_duration: duration(durations.lease),
    wait_timeout: duration(5),
    downstream_key_ttl: duration(durations.window),
    accept_recover: true, // because `work` looks at the mode
  }, 30).catch(async (error) => {
    if (error instanceof Refused) throw error;
    // It may have been granted all the same; then nobody has used the grant, and nobody will.
    await release(service, { key, attempt_id }, 0);
    throw new Unsettled('no answer; nothing was done');
  });
  const received = now();
  const { completed, contention, grant } = acquired.answer;
  if (completed) return { result: completed.result };
  if (contention) throw new Unsettled(`held by ${contention.holder_id}`);

  const ours = { key, fencing_token: grant.fencing_token };
  const lease = new Lease(service, ours, acquired.answer, acquired.sent);
  try {
    let done;
    try {
      done = await work(grant, acquired.sent, received, lease, durations, send, find);
    } catch (error) { // silence and surprises alike: it may have acted
      done = { effect: 'UNKNOWN', why: error.message };
    }
    if (done.outcome) return await record(service, ours, done);
    await release(service, { ...ours, effect: done.effect });
    throw new Unsettled(done.effect === 'UNKNOWN' ? `in doubt: ${done.why}` : 'nothing was done');
  } finally {
    lease.stop();
  }
}

/** Gives {outcome, reference, code}, or as `effect` what `Release` has to say. */
async function work(grant, sent, received, lease, durations, send, find) {
  const reference = grant.downstream_idempotency_key; // the same for every attempt of this key, for ever
  const enough = lease.covers(durations.timeout);
  if (grant.mode === 'EXECUTE') return enough ? send(reference) : { effect: 'NOT_EXECUTED' };

  // RECOVER: an earlier attempt may have acted. Its own word comes first, however late.
  const told = new Map(grant.late_outcomes.filter((late) => late.outcome === 'SUCCEEDED')
    .map((late) => [`${late.provider_reference} ${late.code}`, late]));
  if (told.size > 1) return { effect: 'UNKNOWN', why: 'earlier attempts contradict each other' };
  for (const late of told.values()) {
    return { outcome: late.outcome, reference: late.provider_reference, code: late.code };
  }

  const windowEnds = sent + seconds(grant.downstream_key_remaining);
  if (grant.recover_action === 'RESEND_SAME_KEY' && now() + durations.timeout < windowEnds) {
    return enough ? send(reference) : { effect: 'UNKNOWN', why: 'too little of the lease was left' };
  }

  // QUERY_ONLY: never send. "Nothing" counts once no request can be under way any more.
  const certain = received - seconds(grant.doubt_age) + durations.quarantine;
  for (;;) {
    const asked = now();
    const found = await find(reference);
    if (found) return found;
    if (asked >= certain) return { effect: 'RUN_NOT_EXECUTED' };
    if (!await lease.sleep(certain - asked)) return { effect: 'UNKNOWN', why: 'the lease was lost' };
  }
}

/** Repeats itself until the outcome is stored, or something else is. */
async function record(service, ours, outcome) {
  try {
    const { answer } = await ask(service, 'RecordResult', {
      ...ours, outcome: outcome.outcome, provider_reference: outcome.reference, code: outcome.code,
    }, 120);
    return { result: answer.result };
  } catch (error) {
    if (!['STALE_FENCING_TOKEN', 'RESULT_CONFLICT'].includes(error.message)) throw new Unrecorded(outcome);
  }
  // Somebody was quicker. What they stored is the result; what we did is kept beside it, for people.
  const { answer: stored } = await ask(service, 'CheckResult', { key: ours.key, wait_timeout: duration(5) }, 30)
    .catch((error) => {
      throw new Unsettled(`superseded, and the result is not to be had: ${error.message}`);
    });
  if (stored.state !== 'COMPLETED') {
    throw new Unsettled('superseded, and whoever came after is still at it');
  }
  return { result: stored.result, superseded: outcome };
}

/** Needs no answer but to be heard: the key lapses by itself, or is somebody else's by now. */
async function release(service, request, patience = 30) {
  await ask(service, 'Release', request, patience).catch(() => {});
}
