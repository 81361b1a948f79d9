#include "server/partition/refusals.h"

namespace latchkey {
namespace {

using R = v1::Refusal;

constexpr Duration kRetryBusy = std::chrono::milliseconds(100);
constexpr Duration kRetryRestart = std::chrono::seconds(1);

}  // namespace

Refusal Cancelled() { return {R::REASON_UNSPECIFIED, "the call was cancelled", {}, {}}; }

Refusal RecordCorrupt() {
  return {R::RECORD_CORRUPT,
          "the record of this key cannot be decoded; restore it from a backup. Other keys are not "
          "affected",
          {},
          {}};
}

Refusal StorageUnavailable() {
  return {R::STORAGE_UNAVAILABLE,
          "the store has failed and the server is going down; whether this call took effect is not "
          "known. Repeat it when the server is back",
          {},
          kRetryRestart};
}

Refusal StoreDidNotAnswer() {
  return {R::STORAGE_UNAVAILABLE,
          "the store did not answer in time; whether this call took effect is not known. Repeat it",
          {},
          kRetryBusy};
}

Refusal StoreRefused() {
  return {R::STORAGE_UNAVAILABLE,
          "the store has no room for what this call would write; nothing was done. Give it room, "
          "then repeat the call",
          {},
          kRetryRestart};
}

Refusal ShuttingDown() {
  return {R::SHUTTING_DOWN,
          "the server is going down; repeat the call elsewhere or later",
          {},
          kRetryRestart};
}

Refusal Overloaded() {
  return {
      R::OVERLOADED, "the server's queue is full; nothing was decided, try again", {}, kRetryBusy};
}

Refusal SupersededByRetry() {
  return {R::SUPERSEDED_BY_RETRY,
          "a retry with the same attempt_id took this call's place in the queue",
          {},
          {}};
}

Refusal WaitersLimit(std::size_t waiters_max, bool of_this_key) {
  const std::string most = std::to_string(waiters_max);
  return {R::WAITERS_LIMIT,
          "the most calls that may wait, " + most + (of_this_key ? " for one key" : " in all") +
              ", already do; ask again without waiting, or later",
          {{"waiters_max", most}, {"scope", of_this_key ? "key" : "server"}},
          kRetryBusy};
}

Refusal WaitersQuota(std::uint64_t waiters_max) {
  const std::string most = std::to_string(waiters_max);
  return {R::QUOTA_EXCEEDED,
          "the namespace has all of its " + most +
              " waiting calls; ask again without waiting, or later",
          {{"quota", "waiters_max"}, {"waiters_max", most}},
          kRetryBusy};
}

Refusal EndedByRelease() {
  return {R::ATTEMPT_ENDED, "this attempt's wait was ended by a Release", {}, {}};
}

void RefuseFailedStore(Work& work) {
  if (auto* call = std::get_if<Call*>(&work)) (*call)->Finish(StorageUnavailable());
}

}  // namespace latchkey
