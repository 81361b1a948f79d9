// What a payer does under a lease: charges, recovers, and plain locking.

#include <algorithm>
#include <utility>

#include "latchkey/recovery.h"
#include "tools/simulation/payer_process.h"

namespace latchkey::simulation {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

// For how long a call to the provider is waited for, and within which it acts if it ever does.
constexpr Duration kProviderTimeout = 200ms;

Outcome OutcomeOf(const std::optional<Provider::Charge>& charge) {
  if (!charge.has_value()) return Unknown("no answer from the provider");
  if (charge->declined()) return Rejected({.code = "declined"});
  return Succeeded({.code = "captured",
                    .provider_reference = charge->reference,
                    .content_type = "text/plain",
                    .payload = "receipt of " + charge->reference});
}

}  // namespace

void PayerProcess::Remember(const std::shared_ptr<Attempt>& attempt) {
  std::erase_if(attempts_, [](const auto& known) { return known.second.expired(); });
  attempts_[attempt->fencing_token()] = attempt;
  attempt->OnLost([this, host = &host_, life = life_](const std::string&) {
    if (host->life() == life) ++counts().lost;
  });
}

void PayerProcess::Create(const std::shared_ptr<Attempt>& attempt, bool mark, const Done& done) {
  const bool resends = attempt->mode() == Mode::kRecover;
  if (resends && attempt->downstream_key_remaining() <= kProviderTimeout) {
    return done(Unknown("too little is left of the provider's window"));
  }
  if (random().Chance(0.1)) return done(NotExecuted("the customer has changed their mind"));
  const auto send = [this, attempt, done, host = &host_,
                     life = life_](const Answer<std::chrono::nanoseconds>& told) {
    if (host->life() != life) return;
    // Not marked, so it must not begin.
    if (!told.ok()) return done(NotExecuted("not begun"));
    SendCharge(attempt, done);
  };
  if (mark) return attempt->MarkEffectStartedAsync(send);
  if (random().Chance(0.3)) return attempt->SaveCheckpointAsync("about to charge", send);
  if (random().Chance(0.1)) return attempt->RenewAsync(random().LogBetween(200ms, 6s), send);
  // Takes its time before, so that leases are renewed, and lost.
  After(random().LogBetween(1ms, 4s), [this, attempt, done] { SendCharge(attempt, done); });
}

void PayerProcess::SendCharge(const std::shared_ptr<Attempt>& attempt, const Done& done) {
  if (attempt->remaining() < kProviderTimeout) {
    return done(NotExecuted("too little is left of the lease"));
  }
  if (attempt->mode() == Mode::kRecover &&
      attempt->downstream_key_remaining() <= kProviderTimeout) {
    return done(Unknown("too little is left of the provider's window"));
  }
  const auto over = std::make_shared<bool>(false);
  const auto end = [over, done](const std::optional<Provider::Charge>& charge) {
    if (!std::exchange(*over, true)) done(OutcomeOf(charge));
  };
  provider_.Send(host_, attempt->downstream_idempotency_key(), kProviderTimeout, end);
  After(kProviderTimeout, [end] { end(std::nullopt); });
}

void PayerProcess::Recover(const std::shared_ptr<Attempt>& attempt, const Done& done) {
  if (auto proven = OutcomeFromLateOutcomes(*attempt)) return done(*std::move(proven));
  if (random().Chance(0.05)) return done(NotExecuted("no time to recover now"));
  const bool deduplicates = attempt->recover_action() == RecoverAction::kResendSameKey &&
                            provider_.kind() == Provider::Kind::kDeduplicates &&
                            attempt->downstream_key_remaining() > kProviderTimeout;
  if (deduplicates) return SendCharge(attempt, done);
  if (provider_.kind() == Provider::Kind::kNeither) return done(Unknown("nobody can say"));
  AskProvider(attempt, done);
}

// Only an answer that is older than every request that may still act counts as "nothing happened".
void PayerProcess::AskProvider(const std::shared_ptr<Attempt>& attempt, const Done& done) {
  const Duration young = kProviderTimeout - attempt->doubt_age();
  if (young >= Duration::zero()) {
    if (attempt->state() == LeaseState::kLost) return done(Unknown("the lease is lost"));
    After(young + 1ms, [this, attempt, done] { AskProvider(attempt, done); });
    return;
  }
  const auto over = std::make_shared<bool>(false);
  provider_.Ask(host_, attempt->downstream_idempotency_key(), [over, done](const auto& charge) {
    if (std::exchange(*over, true)) return;
    done(charge.has_value() ? OutcomeOf(charge) : NotExecuted("not known").AfterAsking());
  });
  After(kProviderTimeout, [over, done] {
    if (!std::exchange(*over, true)) done(Unknown("the provider does not answer"));
  });
}

// A plain mutex, step by step.
void PayerProcess::Lock(int slot) {
  const std::string key = "mutex-" + std::to_string(random().Below(2));
  const std::uint64_t call = Begin("lock " + key);
  AcquireOptions options = PaymentOptions(key, false);
  options.fingerprint.clear();
  options.on_lapse = OnLapse::kForget;
  client_->AcquireLockAsync(key, options,
                            [this, slot, call, host = &host_, life = life_](AcquireAnswer answer) {
                              if (host->life() != life) return;
                              Lease* const granted = std::get_if<Lease>(&answer);
                              if (granted == nullptr) return OnAnswer(slot, call);
                              const auto lease = std::make_shared<Lease>(std::move(*granted));
                              leases_.emplace(call, lease);
                              UseLock(slot, call, lease, static_cast<int>(random().Below(3)));
                            });
}

void PayerProcess::UseLock(int slot, std::uint64_t call, const std::shared_ptr<Lease>& lease,
                           int steps) {
  After(random().LogBetween(1ms, 1s), [this, slot, call, lease, steps] {
    if (steps > 0) {
      const auto go_on = [this, slot, call, lease, steps, host = &host_,
                          life = life_](const auto&) {
        if (host->life() == life) UseLock(slot, call, lease, steps - 1);
      };
      if (random().Chance(0.5)) return lease->RenewAsync({}, go_on);
      return lease->SaveCheckpointAsync("step " + std::to_string(steps), go_on);
    }
    const auto end = [this, slot, call, host = &host_, life = life_](const auto&) {
      if (host->life() != life) return;
      leases_.erase(call);
      OnAnswer(slot, call);
    };
    if (random().Chance(0.7)) return lease->ReleaseAsync(Effect::kNotExecuted, end);
    // Dropped without a word.
    end(0);
  });
}

}  // namespace latchkey::simulation
