// The C++ client of Latchkey: do something once, although the effect lies outside any database.
//
//   latchkey::Client client = latchkey::Client::Connect("localhost:7420");
//   latchkey::RunResult run = client.RunOnce(
//       "order:123", {.fingerprint = digest, .downstream_key_ttl = std::chrono::hours(24)},
//       [&](latchkey::Attempt& attempt) {
//         Charge charge = provider.Charge(order, attempt.downstream_idempotency_key());
//         if (charge.accepted) return latchkey::Succeeded({.provider_reference = charge.id});
//         if (charge.declined) return latchkey::Rejected({.code = charge.code});
//         return latchkey::Unknown("no answer from the provider");
//       });
//   switch (run.status) { /* see RunResult::Status */ }
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "latchkey/answer.h"
#include "latchkey/async.h"
#include "latchkey/lease.h"
#include "latchkey/options.h"
#include "latchkey/outcome.h"
#include "latchkey/result.h"

namespace latchkey::inline client {

namespace internal {
class Connection;
class Core;
}  // namespace internal

// The work of a key. Called on the thread that called RunOnce, at most once per call.
using Work = std::function<Outcome(Attempt&)>;

// The same, asynchronously: begins the work, and calls `done` with its outcome, once, from any
// thread. Called at most once per RunOnceAsync, on a thread as callbacks are (see async.h).
//
// Only the first call of `done` counts. Where the work throws, or the last copy of `done` goes
// without a call, the outcome is Unknown. The attempt's lease is renewed until then; the pointer
// may be kept beyond that, and then shows a lease that is over.
using AsyncWork = std::function<void(std::shared_ptr<Attempt> attempt, Callback<Outcome> done)>;

// What AcquireLock got. Exactly one.
using AcquireAnswer = std::variant<Lease, Completed, Contention, Error>;

// A handle on one connection; cheap to copy, and safe to use from many threads. The connection (one
// gRPC channel, one timer thread for all leases) lives as long as a Client, Lease or Attempt of it.
// Nothing needs to be drained or closed. The last one to go gives outcomes and releases on their
// way a second to arrive, tells the service that attempts without an answer have ended, and cancels
// the rest: within two seconds, whatever the service does.
//
// Not usable in a child process after fork(): every call there is refused CLIENT_AFTER_FORK, leases
// are lost, and destructors return at once and leave things as they are. gRPC does not work in such
// a child at all, so fork before the first Client is made, or exec.
class Client {
 public:
  // Connects, lazily, to `target`: "host:port" or any gRPC target. Never fails; calls do.
  //
  // Where several servers share one store, name them all: "host:port,host:port". One is used at a
  // time. When it does not answer, calls go on at the next, and leases are renewed there.
  //
  // With ClientOptions::outbox_directory, what processes that are no more left there is delivered
  // in the background.
  static Client Connect(const std::string& target, ClientOptions options = {});

  // Uses a given connection: for tests and simulators.
  Client(std::shared_ptr<internal::Connection> connection, ClientOptions options);

  // The same connection, other keys.
  [[nodiscard]] Client InNamespace(std::string key_namespace) const;

  // Does the work of `key` once.
  //
  // Locks the key. If it is completed, the stored result is the answer. If somebody else is at it,
  // waits `options.wait_timeout` for the lock or the result. Else the work is run, with the lease
  // renewed in the background, what it returns is recorded (retried until acknowledged or refused),
  // and that is the answer. The work is never run while the service cannot be asked.
  //
  // Who runs: `create` in mode EXECUTE. In mode RECOVER `recover` if given; else `create` if the
  // provider still deduplicates (RESEND_SAME_KEY: send the same request with
  // downstream_idempotency_key() again); else nobody, and the answer is kInDoubt. `recover` finds
  // out what became of earlier attempts and returns that.
  //
  // What the work throws is taken as Unknown and handed back in RunResult::exception. Work that
  // outlasts its lease is not stopped: the lease is renewed, and if that fails for too long it is
  // LOST (Attempt::OnLost), and what the work returns is recorded late or superseded. The work may
  // do anything, drop the last Client included.
  RunResult RunOnce(std::string_view key, const AcquireOptions& options, const Work& create,
                    const Work& recover = nullptr);
  // The same, not blocking. A Client that goes takes an unanswered call with it (kUnavailable,
  // CLIENT_CLOSED) until the work has begun; from then on the Attempt keeps the connection.
  void RunOnceAsync(std::string_view key, const AcquireOptions& options, AsyncWork create,
                    AsyncWork recover, Callback<RunResult> callback);

  // The same steps one by one. Locks, checks and, if wanted, waits; look at Lease::mode() before
  // acting.
  [[nodiscard]] AcquireAnswer AcquireLock(std::string_view key, const AcquireOptions& options = {});
  // The same, not blocking.
  void AcquireLockAsync(std::string_view key, const AcquireOptions& options,
                        Callback<AcquireAnswer> callback);

  // Reads where a key stands, linearizably; may wait for its completion. Changes nothing.
  Answer<KeyStatus> CheckResult(std::string_view key, const CheckOptions& options = {});
  // The same, not blocking.
  void CheckResultAsync(std::string_view key, const CheckOptions& options,
                        Callback<Answer<KeyStatus>> callback);

  // Mints a key (UUIDv7) for callers that have none of their own. Keep it before using it.
  Answer<std::string> IssueKey(const IssueOptions& options = {});
  // The same, not blocking.
  void IssueKeyAsync(const IssueOptions& options, Callback<Answer<std::string>> callback);

  // How many outcomes this connection knows of that the service has not confirmed yet: those whose
  // callers wait, those delivered in the background, and those left by earlier processes.
  std::size_t undelivered() const;
  // What last kept an outcome from the outbox or could not be read from it; empty if nothing did.
  // Such an outcome is delivered from memory alone.
  std::string outbox_error() const;

 private:
  std::shared_ptr<internal::Core> core_;
  std::string key_namespace_;
};

}  // namespace latchkey::inline client
