// What the service answers, as plain values.
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>

#include "latchkey/answer.h"
#include "latchkey/outcome.h"

namespace latchkey::inline client {

// The recorded outcome of a key. Once recorded it never changes while it is kept.
struct StoredResult {
  // How it ended.
  enum class Outcome {
    kSucceeded,  // The effect happened.
    kRejected,   // It was refused for good, and did not happen.
  };
  // How it ended.
  Outcome outcome = Outcome::kSucceeded;
  // See ResultFields.
  std::string code = {};
  // See ResultFields.
  std::string provider_reference = {};
  // See ResultFields.
  std::string content_type = {};
  // Empty where `body_omitted` or `body_expired` is set.
  std::string payload = {};
  // SHA-256 of the payload as it was recorded, 32 bytes; kept also when the payload is not.
  std::string payload_digest = {};
  // When it became durable, by the service's clock.
  std::chrono::system_clock::time_point recorded_at = {};
  // The token of the grant that recorded it.
  std::uint64_t fencing_token = 0;
  // It came after its lease had run out, and before anybody else was granted the key.
  bool late = false;
  // The payload was too large to keep.
  bool body_omitted = false;
  // The payload's retention has passed.
  bool body_expired = false;
  // Code, reference or content type was too long and was cut.
  bool truncated = false;
};

// The key is completed: nothing to do, nothing to release.
struct Completed {
  // The same for every caller.
  StoredResult result = {};
  // How much longer the payload is kept.
  std::chrono::nanoseconds body_expires_in = {};
  // How much longer the key is remembered; from then on it is refused KEY_EXPIRED.
  std::chrono::nanoseconds key_expires_in = {};
};

// Somebody else holds the key, and there is no result yet.
struct Contention {
  // Who, as that caller named itself.
  std::string holder_id = {};
  // When asking again makes sense. Above 0.
  std::chrono::nanoseconds retry_after = {};
  // The place in the line this call had or would have taken; 1 is next.
  std::uint32_t queue_position = 0;
  // How many calls wait for this key.
  std::uint32_t waiters = 0;
};

// Where a key stands.
struct KeyStatus {
  // The states of a key.
  enum class State {
    // Nothing has begun, or everything that began was given back.
    kAbsent,
    // Somebody holds the lock.
    kHeld,
    // An attempt ended without a known outcome.
    kInDoubt,
    // The result is recorded.
    kCompleted,
  };
  // Look at this first.
  State state = State::kAbsent;
  // With kCompleted, and only then.
  std::optional<StoredResult> result = {};
  // With kHeld and kInDoubt: when asking again makes sense.
  std::chrono::nanoseconds retry_after = {};
  // Grants in this run so far.
  std::uint32_t attempt_number = 0;
  // Who holds the key or held it last.
  std::string holder_id = {};
};

// What became of an outcome that was to be recorded.
struct [[nodiscard]] RecordAnswer {
  // Whether it is the key's result.
  enum class Status {
    // It is the key's result, durably, for good.
    kRecorded,
    // It is not the key's result: another claimant took over and its word counts
    // (STALE_FENCING_TOKEN), or this token had already recorded something else (RESULT_CONFLICT).
    // The service has noted what was reported; `stored` is the result that stands, once there is
    // one.
    kSuperseded,
    // The service did not confirm it: no answer in time, or refused for another reason; see
    // `error`. It may or may not be stored. Keep it, unless `delivering`, and try again.
    kUnrecorded,
  };
  // Look at this first.
  Status status = Status::kUnrecorded;
  // With kUnrecorded: it goes on being delivered in the background until the service confirms or
  // refuses it, for as long as a handle of this connection lives (or in a later process, where
  // there is an outbox), and the lease goes on being renewed meanwhile, if it is not lost. A
  // refusal is told to ClientOptions::on_undeliverable.
  bool delivering = false;
  // The result that stands. Always with kRecorded; with kSuperseded where there is one.
  std::optional<StoredResult> stored = {};
  // Unless kRecorded: why not.
  std::optional<Error> error = {};
};

// What came of RunOnce. Look at `status` first, and handle every value: only kSucceeded means that
// the effect happened, and only kRejected and kNotExecuted mean that it did not.
struct [[nodiscard]] RunResult {
  // Whether the effect happened, as far as anybody knows.
  enum class Status {
    // The effect happened, and `result` is its record. `replayed` tells whether before this call.
    kSucceeded,
    // The effect was refused for good, and `result` is the record of that. Do not try again: a new
    // try is a new key.
    kRejected,
    // The work ran in this call and reported NotExecuted, and nothing is in doubt: the key is free.
    // Calling RunOnce again with the same key may run the work again.
    kNotExecuted,
    // The effect may have happened or not, and the key is in doubt. Never take this for a failure.
    // Calling RunOnce again with the same key is safe and recovers if that is possible; else find
    // out what happened and settle it as an operator.
    kInDoubt,
    // Somebody else is at it. This call ran nothing. Ask again after `contention->retry_after`.
    kContention,
    // The work ran in this call and `own` says how it ended, but the service has not confirmed it
    // (see `error`). While `delivering` it goes on being delivered in the background; else `own` is
    // the only copy of what is known: keep it. Calling RunOnce again with the same key is safe.
    kUnrecorded,
    // The service refused (`error->reason`, such as FINGERPRINT_MISMATCH or KEY_EXPIRED). This call
    // ran nothing, and calling again with the same arguments gets the same answer.
    kRefused,
    // The service could not be asked. This call ran nothing. Calling RunOnce again with the same
    // key is safe.
    kUnavailable,
  };
  // Look at this first.
  Status status = Status::kUnavailable;

  // With kSucceeded and kRejected, and only then: the key's record, the same for every caller.
  std::optional<StoredResult> result = {};
  // The result was there already: this call ran nothing.
  bool replayed = false;
  // This call got the key in mode RECOVER, after an earlier attempt whose outcome was not known.
  bool recovered = false;
  // The work ran in this call, but another claimant's word counts: `result` (where there is one) is
  // not what `own` says. If both report an effect, it may have happened twice; compare the
  // references.
  bool superseded = false;
  // With kUnrecorded: see RecordAnswer::delivering.
  bool delivering = false;
  // How the work ended, where this call ran it. Unknown where it threw.
  std::optional<Outcome> own = {};
  // What the work threw. The outcome is then Unknown; nothing is thrown out of RunOnce.
  std::exception_ptr exception = {};
  // With kContention.
  std::optional<Contention> contention = {};
  // With kRefused, kUnavailable and kUnrecorded always; with others where something went wrong
  // besides.
  std::optional<Error> error = {};
};

// The name of a status, such as "IN_DOUBT", for logs.
const char* ToString(RunResult::Status status);
// The name of a state, such as "HELD".
const char* ToString(KeyStatus::State state);

}  // namespace latchkey::inline client
