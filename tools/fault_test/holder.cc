#include "tools/fault_test/holder.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>
#include <variant>

namespace latchkey::faults {
namespace {

using std::chrono::milliseconds;

// tools/fault_test/rounds.py pauses for multiples of it.
constexpr milliseconds kLease(400);

}  // namespace

Holder::Holder(Client& client, crash::History& history, const std::string& resource, Habits habits,
               std::uint64_t seed, const std::atomic<bool>& stop)
    : client_(client),
      history_(history),
      resource_(resource),
      habits_(habits),
      random_(seed),
      stop_(stop) {}

void Holder::Run() {
  while (!stop_) {
    if (Draw(2) == 0) {
      Count();
    } else {
      Pay();
    }
    PauseUpTo(milliseconds(20));
  }
}

void Holder::PauseUpTo(milliseconds longest) {
  std::this_thread::sleep_for(milliseconds(Draw(static_cast<std::uint64_t>(longest.count()))));
}

std::string Holder::NameNow(const char* kind, std::int64_t lives_ms, std::uint64_t how_many) {
  const std::int64_t generation = crash::MonotonicNanos() / 1'000'000 / lives_ms;
  return std::string(kind) + "-" + std::to_string(generation) + "-" +
         std::to_string(Draw(how_many));
}

// Reads, works for a while, and writes what it made of it: as it would if it had the register for
// itself.
void Holder::Count() {
  const std::string name = NameNow("counter", 5000, 3);
  AcquireAnswer answer = client_.AcquireLock(
      name, {.lease_duration = kLease, .wait_timeout = kLease, .on_lapse = OnLapse::kForget});
  Lease* const lease = std::get_if<Lease>(&answer);
  if (lease == nullptr) return;
  const auto value = resource_.Read(name, lease->fencing_token());
  if (value.has_value()) {
    PauseUpTo(milliseconds(60));
    NoteBelief(*lease);
    (void)resource_.Write(name, lease->fencing_token(), *value + 1);
  }
  (void)lease->Release(Effect::kNotExecuted);
}

void Holder::Pay() {
  const std::string name = NameNow("payment", 1000, 3);
  (void)client_.RunOnce(name,
                        {.fingerprint = "the amount of " + name,
                         .lease_duration = kLease,
                         .wait_timeout = kLease,
                         .record_timeout = std::chrono::seconds(5),
                         .downstream_key_ttl = std::chrono::hours(1)},
                        [this](Attempt& attempt) { return PayOnce(attempt); });
}

// Now and then it does not know what came of it, as when the provider's reply is lost.
Outcome Holder::PayOnce(Attempt& attempt) {
  PauseUpTo(milliseconds(40));
  NoteBelief(attempt);
  std::string idempotency_key = attempt.downstream_idempotency_key();
  if (habits_.ignores_recover && attempt.mode() == Mode::kRecover) {
    idempotency_key += "-again-" + std::to_string(attempt.fencing_token());
  }
  const std::string reference =
      resource_.Charge(attempt.key(), attempt.fencing_token(), idempotency_key);
  PauseUpTo(milliseconds(40));
  NoteBelief(attempt);
  if (Draw(4) == 0) return Unknown("the reply was lost");
  return Succeeded({.provider_reference = reference});
}

void Holder::NoteBelief(const Attempt& attempt) {
  const std::int64_t before = crash::MonotonicNanos();
  if (attempt.state() == LeaseState::kLost) return;
  history_.NoteBelief(before, "holders", attempt.key(), attempt.fencing_token());
}

}  // namespace latchkey::faults
