#include "tools/payment_demo/payer.h"

#include <array>

#include "tools/payment_demo/fate.h"
#include "tools/payment_demo/receipt.h"
#include <uuid/uuid.h>

namespace latchkey::demo {
namespace {

// Longer than the provider's longest call, so that whoever takes over from a dead worker finds what
// its call has charged; and short enough for that to be soon.
constexpr std::chrono::seconds kLease{2};
static_assert(kLease > kLongestCall);
constexpr std::chrono::seconds kWait{5};
constexpr int kUnsafeTries = 3;

Ending EndingOf(const RunResult& run) {
  switch (run.status) {
    case RunResult::Status::kSucceeded:
    case RunResult::Status::kRejected:
      if (run.replayed || run.superseded) return Ending::kReplayed;
      if (run.recovered) return Ending::kRecovered;
      return run.status == RunResult::Status::kSucceeded ? Ending::kPaid : Ending::kDeclined;
    case RunResult::Status::kInDoubt:
    case RunResult::Status::kUnrecorded:
      return Ending::kInDoubt;
    case RunResult::Status::kRefused:
      return run.error->reason == "FINGERPRINT_MISMATCH" ? Ending::kConflict : Ending::kFailed;
    case RunResult::Status::kNotExecuted:
    case RunResult::Status::kContention:
    case RunResult::Status::kUnavailable:
      return Ending::kFailed;
  }
  return Ending::kFailed;
}

std::string FreshKey() {
  uuid_t uuid;
  uuid_generate_random(uuid);
  std::array<char, UUID_STR_LEN> text;
  uuid_unparse_lower(uuid, text.data());
  return text.data();
}

}  // namespace

Ending LatchkeyPayer::Pay(const Order& order) {
  const AcquireOptions options{.fingerprint = FingerprintOf(order),
                               .lease_duration = kLease,
                               .wait_timeout = kWait,
                               .downstream_key_ttl = downstream_key_ttl_};
  const auto charge = [&](Attempt& attempt) {
    Outcome outcome = cashier_->Charge(order, attempt.downstream_idempotency_key());
    if (outcome.kind() == Outcome::Kind::kSucceeded) charged_();
    return outcome;
  };
  // After a lost answer: send the same again while the provider would notice, and only ask when it
  // would not.
  const auto recover = [&](Attempt& attempt) {
    if (attempt.recover_action() == RecoverAction::kResendSameKey) return charge(attempt);
    return cashier_->Ask(attempt.downstream_idempotency_key());
  };
  return EndingOf(client_.RunOnce(KeyOf(order), options, charge, recover));
}

Ending UnsafePayer::Pay(const Order& order) {
  for (int i = 0; i < kUnsafeTries; ++i) {
    const Outcome outcome = cashier_->Charge(order, FreshKey());
    if (outcome.kind() == Outcome::Kind::kSucceeded) return Ending::kPaid;
    if (outcome.kind() == Outcome::Kind::kRejected) return Ending::kDeclined;
  }
  return Ending::kFailed;
}

}  // namespace latchkey::demo
