// The choices a caller has. Every field has a default that is safe for payments; what the service
// accepts is checked by the service, not here. Durations take any std::chrono unit.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "latchkey/answer.h"
#include "latchkey/async.h"
#include "latchkey/outcome.h"

namespace latchkey::inline client {

// Runs each task that it is given exactly once, soon, on a thread that may be blocked: a thread
// pool of yours, for example. Called from many threads; must neither block nor throw, and must
// outlive what is under way.
using Executor = std::function<void(std::function<void()> task)>;

// How calls travel. What they mean is the same.
enum class TransportKind {
  // Many calls in one frame of a stream, and one heartbeat for all leases: much the fastest. Falls
  // back to kUnary where the service or something before it knows no sessions.
  kSession,
  // An RPC for each call: what a proxy can see, route and log by itself.
  kUnary,
};

// An outcome that was delivered in the background and is so no more, without the service having
// kept it. What is known of it is here, and nobody else may know it.
struct UndeliverableOutcome {
  // Of the key.
  std::string key_namespace = {};
  // Empty with OUTCOME_DAMAGED.
  std::string key = {};
  // Of the grant under which the work ran. 0 with OUTCOME_DAMAGED.
  std::uint64_t fencing_token = 0;
  // What the work returned. Empty with OUTCOME_DAMAGED.
  std::optional<Outcome> outcome = {};
  // The service's refusal, such as KEY_UNKNOWN; or OUTCOME_DAMAGED, which names the file.
  Error error = {};
};

// An encrypted connection. The files are PEM; they are read again when they change, and count for
// the next time that the client connects.
struct TlsOptions {
  // The authorities that the service's certificate may come from. Empty: those of the machine.
  std::string ca_file = {};
  // A certificate to show, and its key. Empty: none.
  std::string certificate_file = {};
  // See `certificate_file`.
  std::string key_file = {};
  // The name in the service's certificate, where it is not that of the target.
  std::string server_name = {};
};

// For all calls of a Client.
struct ClientOptions {
  // Where the keys live: tenant and operation, such as "shop/charge". Client::InNamespace changes
  // it.
  std::string key_namespace = "default";
  // Who asks, for people: shown to others that contend, to operators and in records. Empty: host
  // and process id.
  std::string holder_id = {};
  // How its calls travel.
  TransportKind transport = TransportKind::kSession;
  // Unset: the connection is not encrypted.
  std::optional<TlsOptions> tls = {};
  // A bearer token, sent with every call. Only over TLS or to this machine, unless
  // `token_in_plaintext`: every call is refused TOKEN_IN_PLAINTEXT otherwise.
  std::string token = {};
  // Where the token is, instead: a file with nothing else in it. Read again when it changes, so
  // that tokens can be replaced; calls that were under way with the old one when it was withdrawn
  // are repeated with the new one.
  std::string token_file = {};
  // The network is trusted with the token.
  bool token_in_plaintext = false;
  // The deadline of one try of one RPC. A try that waits in the service's queue gets its wait on
  // top.
  std::chrono::nanoseconds rpc_timeout = std::chrono::seconds(5);
  // Pause before the first retry; doubles with every further one up to `backoff_max`. The pause
  // really taken is drawn between 0 and that, and is never shorter than what the service asks for.
  std::chrono::nanoseconds backoff_min = std::chrono::milliseconds(50);
  // See `backoff_min`.
  std::chrono::nanoseconds backoff_max = std::chrono::seconds(2);
  // Where callbacks and asynchronous work run. Empty: on the library's own threads, which they must
  // not block; see async.h.
  Executor executor = {};
  // How many outcomes that the service has not confirmed yet are kept in memory, and delivered in
  // the background, after the calls that brought them have returned. What is above that waits
  // in the outbox, if there is one, and is given up otherwise; see RecordAnswer::delivering.
  std::size_t undelivered_max = 1000;
  // Where outcomes are kept until the service has confirmed them, so that a process that starts
  // after this one's death delivers what this one knew. A directory, made if its parent exists, on
  // a disk that survives; one for each service, shared by any number of processes. Every outcome
  // costs two synced writes before it is first sent. Empty: none. See docs/client.md.
  std::string outbox_directory = {};
  // Called, on a thread as in async.h, with every outcome whose delivering in the background ends
  // without the service having kept it: those that calls were answered `delivering` for, and those
  // that earlier processes left in the outbox. Write it down where a person looks. Not called for
  // what is superseded, because the service keeps that as evidence, nor for what the last handle
  // leaves undelivered. Must not own a handle of the connection, which would then never close.
  // Empty: where there is an outbox it keeps them aside, else they are lost.
  Callback<UndeliverableOutcome> on_undeliverable = {};
};

// What becomes of a key when the lease of an EXECUTE grant runs out, or its holder is lost.
enum class OnLapse {
  // An effect may have happened: whoever comes next is told to recover. The right one for payments.
  kInDoubt,
  // A plain mutex: nothing to remember.
  kForget,
  // As kForget until Attempt::MarkEffectStarted, as kInDoubt from then on. For work that prepares
  // for long before it acts; forgetting to mark means acting twice.
  kForgetUnlessStarted,
};

// For RunOnce and AcquireLock.
struct AcquireOptions {
  // A digest of what the work is (amount, customer, ...), up to 64 bytes. The same key with another
  // fingerprint is refused FINGERPRINT_MISMATCH. Use a keyed digest: a bare hash of an amount can
  // be guessed. Empty: not compared.
  std::string fingerprint = {};
  // How long the lock outlives a holder that fell silent. The client renews it while the holder
  // lives. Longer than the longest call to the provider, 100 ms to 15 min.
  std::chrono::nanoseconds lease_duration = std::chrono::seconds(30);
  // How long to wait in line, in the service, for the lock or for somebody else's result. 0: answer
  // at once. Waits of more than 60 s are several calls of one attempt; each rejoins the line at its
  // end.
  std::chrono::nanoseconds wait_timeout = std::chrono::nanoseconds(0);
  // How long, beyond `wait_timeout`, to go on asking while the service does not answer.
  std::chrono::nanoseconds acquire_timeout = std::chrono::seconds(15);
  // How long to wait, at the end of the work, until the service has acknowledged or refused its
  // outcome. Delivering goes on in the background after that. Independent of the time-outs above.
  std::chrono::nanoseconds record_timeout = std::chrono::minutes(2);
  // What a lapse leaves behind.
  OnLapse on_lapse = OnLapse::kInDoubt;
  // When the work was first asked for. With it, a key older than the service remembers is refused
  // KEY_EXPIRED and not taken for new. Give it wherever it is known.
  std::optional<std::chrono::system_clock::time_point> first_sent_at = {};
  // How long the provider deduplicates by downstream_idempotency_key. Unset: the namespace's
  // setting, by default 0, it does not. The first grant of a run decides for the whole run.
  std::optional<std::chrono::nanoseconds> downstream_key_ttl = {};
  // Ends the asking and waiting for the lock, with Error::reason CANCELLED: the service is told,
  // and a grant that comes all the same is given back unused. Work that has begun cannot be
  // cancelled from outside; it may look at Attempt::stop_token() itself, and what it returns is
  // recorded in any case.
  std::stop_token stop = {};
};

// For CheckResult.
struct CheckOptions {
  // See AcquireOptions.
  std::string fingerprint = {};
  // See AcquireOptions.
  std::optional<std::chrono::system_clock::time_point> first_sent_at = {};
  // How long to wait for the result. 0: answer at once.
  std::chrono::nanoseconds wait_timeout = std::chrono::nanoseconds(0);
  // How long, beyond `wait_timeout`, to go on asking while the service does not answer.
  std::chrono::nanoseconds timeout = std::chrono::seconds(15);
  // Ends the asking and waiting, with Error::reason CANCELLED.
  std::stop_token stop = {};
};

// For IssueKey.
struct IssueOptions {
  // How long to go on asking while the service does not answer.
  std::chrono::nanoseconds timeout = std::chrono::seconds(15);
  // Ends the asking, with Error::reason CANCELLED.
  std::stop_token stop = {};
};

}  // namespace latchkey::inline client
