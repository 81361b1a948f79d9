#include "tools/simulation/provider.h"

#include <algorithm>
#include <functional>

namespace latchkey::simulation {
namespace {

// Always the same for a key: what is declined once stays so.
bool IsDeclined(const std::string& key) { return std::hash<std::string>()(key) % 8 == 0; }

constexpr double kLost = 0.05;
constexpr double kSlow = 0.1;

}  // namespace

void Provider::Send(Host& client, const std::string& key, Duration timeout, Answer answer) {
  Random& random = network_.random();
  const bool lost = random.Chance(kLost);
  const bool unheard = random.Chance(kLost);
  const bool slow = random.Chance(kSlow);
  const Duration there = random.Between(std::chrono::milliseconds(1), slow ? timeout : timeout / 4);
  const Duration back = random.Between(std::chrono::milliseconds(1), timeout / 4);
  if (lost) return;
  ++accounts_[key].under_way;
  network_.scheduler().After(
      there, [this, &client, key, unheard, back, life = client.life(), answer = std::move(answer)] {
        --accounts_[key].under_way;
        const Charge charge = Act(key);
        if (unheard || client.life() != life) return;
        client.RunAfter(back, [answer, charge] { answer(charge); });
      });
}

Provider::Charge Provider::Act(const std::string& key) {
  Account& account = accounts_[key];
  const Duration now = network_.scheduler().now();
  if (IsDeclined(key)) {
    account.declined = true;
    return {};
  }
  const bool known = account.first_at != Duration::min() && now < account.first_at + window_;
  if (kind_ == Kind::kDeduplicates && known) {
    ++deduplicated_;
    return {account.references.back()};
  }
  account.first_at = now;
  ++charges_;
  account.references.push_back("charge-" + std::to_string(charges_));
  network_.Note("provider", "charges " + key + " as " + account.references.back());
  if (account.references.size() > 1) on_second_effect_(key);
  return {account.references.back()};
}

void Provider::Ask(Host& client, const std::string& key, Answer answer) {
  if (network_.random().Chance(kLost)) return;
  const auto found = accounts_.find(key);
  std::optional<Charge> charge;
  if (found != accounts_.end() && found->second.declined) charge = Charge();
  if (found != accounts_.end() && !found->second.references.empty()) {
    charge = Charge{found->second.references.back()};
  }
  client.RunAfter(
      network_.random().Between(std::chrono::milliseconds(1), std::chrono::milliseconds(50)),
      [answer = std::move(answer), charge] { answer(charge); });
}

std::size_t Provider::effects(const std::string& key) const {
  const auto found = accounts_.find(key);
  return found == accounts_.end() ? 0 : found->second.references.size();
}

std::string Provider::reference(const std::string& key) const {
  const auto found = accounts_.find(key);
  if (found == accounts_.end() || found->second.references.empty()) return "";
  return found->second.references.back();
}

bool Provider::expects(const std::string& key) const {
  const auto found = accounts_.find(key);
  return found != accounts_.end() && found->second.under_way > 0;
}

}  // namespace latchkey::simulation
