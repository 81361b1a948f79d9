// The C++ client of Latchkey: do something once, although the effect lies outside any database.
//
//   latchkey::Client client = latchkey::Client::Connect("localhost:7420");
//   latchkey::RunResult run = client.RunOnce(
//       "order:123", {.fingerprint = digest, .downstream_key_ttl = std::chrono::hours(24)},
//       [&](latchkey::Attempt& attempt) {
//         Charge charge = provider.Charge(order, attempt.downstream_idempotency_key());
//         if (charge.accepted) return latchkey::Succeeded({.provider_reference = charge.id});
//         if (charge.declined) return latchkey::Rejected({.code = charge.decline_code});
//         return latchkey::Unknown(charge.error);
//       });
//   switch (run.status) { ... }  // see RunResult::Status
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "latchkey/answer.h"
#include "latchkey/lease.h"
#include "latchkey/options.h"
#include "latchkey/outcome.h"
#include "latchkey/result.h"

namespace latchkey::inline client {

namespace internal {
class Connection;
}

// The work of a key. Called on the thread that called RunOnce, at most once per call.
using Work = std::function<Outcome(Attempt&)>;

// What AcquireLock got. Exactly one.
using AcquireAnswer = std::variant<Lease, Completed, Contention, Error>;

// A handle on one connection; cheap to copy, and safe to use from many threads. The connection (one
// gRPC channel, one timer thread for all leases) lives as long as a Client or Lease of it. Nothing
// needs to be drained or closed: the last one to go cancels what is still under way, within bounded
// time. Not usable in a child process after fork().
class Client {
 public:
  // Connects, lazily, to `target`: "host:port" or any gRPC target. Never fails; calls do.
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
  // What the work throws is taken as Unknown and handed back in RunResult::exception.
  RunResult RunOnce(std::string_view key, const AcquireOptions& options, const Work& create,
                    const Work& recover = nullptr);

  // The same steps one by one. Locks, checks and, if wanted, waits; look at Lease::mode() before
  // acting.
  [[nodiscard]] AcquireAnswer AcquireLock(std::string_view key, const AcquireOptions& options = {});

  // Reads where a key stands, linearizably; may wait for its completion. Changes nothing.
  Answer<KeyStatus> CheckResult(std::string_view key, const CheckOptions& options = {});

  // Mints a key (UUIDv7) for callers that have none of their own. Keep it before using it.
  Answer<std::string> IssueKey();

 private:
  std::shared_ptr<internal::Connection> connection_;
  ClientOptions options_;
};

}  // namespace latchkey::inline client
