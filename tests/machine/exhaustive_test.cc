// Everything that can happen to one key at small scope breaks no invariant; and the search does
// find what is broken on purpose, with a trace that cannot be shorter.
//
// LATCHKEY_SEARCH_SECONDS searches further, for so long; see tests/support/search_report.h.
#include <iostream>

#include "tests/machine/explorer.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey::exhaustive {
namespace {

using State = v1::CheckResultResponse;
using ::testing::ElementsAre;

void NothingBreaks(Scope scope) {
  Machine machine;
  const SearchReport report = Explore(machine, scope);
  std::cout << scope.callers << " callers, " << scope.tokens << " grants\n" << Describe(report);
  EXPECT_EQ(report.violation, "");
  EXPECT_GT(report.states, 10'000u);
  EXPECT_GT(report.depth, 10);
}

// Everything, with as many grants.
TEST(ExhaustiveTest, NothingThatTwoCallersDoBreaksAnInvariant) {
  NothingBreaks({.callers = 2, .tokens = 3, .bounds = {}});
}

TEST(ExhaustiveTest, NothingThatThreeCallersDoBreaksAnInvariant) {
  Scope scope{.callers = 3, .tokens = 2, .bounds = {}};
  if (SearchBounds::Long()) scope.tokens = 5;
  scope.bounds = scope.bounds.OrFromEnvironment();
  NothingBreaks(scope);
}

// The effect has happened already, and the store does not know: whatever callers do, it must not
// happen again.
TEST(ExhaustiveTest, NothingThatARestoreHasForgottenHappensAgain) {
  for (const Beginning beginning : {Beginning::kRestoredKey, Beginning::kRestoredGrant}) {
    NothingBreaks({.beginning = beginning, .callers = 2, .tokens = 3, .bounds = {}});
  }
}

// A store that was restored and does not say so.
class RestoreIsForgotten : public Machine {
 public:
  Step Apply(KeyState& key, const Move& move, const Context& context,
             std::optional<v1::Grant::Mode>* mode) override {
    Context changed = context;
    changed.restore = {};
    return Machine::Apply(key, move, changed, mode);
  }
};

TEST(ExhaustiveTest, ARestoreThatIsForgottenIsFound) {
  for (const Beginning beginning : {Beginning::kRestoredKey, Beginning::kRestoredGrant}) {
    RestoreIsForgotten machine;
    Scope scope{.beginning = beginning, .bounds = {}};
    const SearchReport report = Explore(machine, scope);
    EXPECT_EQ(report.violation, "I5") << Describe(report);
    scope.check_invariants = false;
    const SearchReport harm = Explore(machine, scope);
    EXPECT_EQ(harm.violation, "I5") << Describe(harm);
  }
}

bool Holds(const KeyState& key) { return key.record && key.record->state() == State::HELD; }
bool Renews(const Move& move) {
  return move.action >= Action::kRenew && move.action <= Action::kMark;
}

// Rule wrong on purpose: a RECOVER grant's on_lapse counts, and its lapse forgets the run's doubt.
class LapseForgetsDoubt : public Machine {
 public:
  Step Apply(KeyState& key, const Move& move, const Context& context,
             std::optional<v1::Grant::Mode>* mode) override {
    const bool forgets = move.action == Action::kLapse &&
                         key.record->mode() == v1::Grant::RECOVER &&
                         key.record->on_lapse() == v1::AcquireLockRequest::FORGET;
    if (!forgets) return Machine::Apply(key, move, context, mode);
    key.record.reset();
    Step step;
    step.durable = step.lapsed = true;
    return step;
  }
};

// An unset effect is taken for NOT_EXECUTED, on a RECOVER grant too, and that for the whole run.
class UnsetReleaseErasesDoubt : public Machine {
 public:
  Step Apply(KeyState& key, const Move& move, const Context& context,
             std::optional<v1::Grant::Mode>* mode) override {
    Move changed = move;
    if (move.action == Action::kReleaseUnset) changed.action = Action::kReleaseRunNotExecuted;
    return Machine::Apply(key, changed, context, mode);
  }
};

// A renewal sets the deadline, also to an earlier time.
class RenewalShortens : public Machine {
 public:
  Step Apply(KeyState& key, const Move& move, const Context& context,
             std::optional<v1::Grant::Mode>* mode) override {
    const Step step = Machine::Apply(key, move, context, mode);
    if (!step.refusal && move.action == Action::kRenew) {
      key.lease_deadline = context.now.monotonic + Duration(key.record->granted_lease_nanos());
    }
    return step;
  }
};

// A longer lease is promised in memory only, and a crash forgets it.
class LongerRenewalIsNotDurable : public Machine {
 public:
  Step Apply(KeyState& key, const Move& move, const Context& context,
             std::optional<v1::Grant::Mode>* mode) override {
    Step step = Machine::Apply(key, move, context, mode);
    if (move.action == Action::kRenewLonger) step.durable = false;
    return step;
  }
};

// A lease that ran out is revived by its holder's renewal.
class RenewalRevives : public Machine {
 public:
  Step Apply(KeyState& key, const Move& move, const Context& context,
             std::optional<v1::Grant::Mode>* mode) override {
    const bool revives = Renews(move) && key.record && key.record->state() == State::IN_DOUBT &&
                         key.record->fencing_token() == move.token;
    if (!revives) return Machine::Apply(key, move, context, mode);
    key.record->set_state(State::HELD);
    key.lease_deadline = context.now.monotonic + Duration(key.record->promised_lease_nanos());
    Step step;
    step.durable = true;
    step.lease_deadline = key.lease_deadline;
    return step;
  }
};

// Whoever asks releases the key, whatever the token.
class ReleaseIgnoresTheToken : public Machine {
 public:
  Step Apply(KeyState& key, const Move& move, const Context& context,
             std::optional<v1::Grant::Mode>* mode) override {
    Move changed = move;
    if (move.action == Action::kReleaseUnknown && Holds(key)) {
      changed.token = key.record->fencing_token();
    }
    return Machine::Apply(key, changed, context, mode);
  }
};

// A call that carries the token does not count as a sign that the grant is in use.
class ReleaseByAttemptTakesUsedGrants : public Machine {
 public:
  Step Apply(KeyState& key, const Move& move, const Context& context,
             std::optional<v1::Grant::Mode>* mode) override {
    if (move.action == Action::kReleaseAttempt && Holds(key)) key.record->clear_token_seen();
    return Machine::Apply(key, move, context, mode);
  }
};

struct Seeded {
  const char* name;
  Machine* machine;
  const char* invariant;  // what the Invariants call it
  std::size_t moves;      // to the step that is wrong
  const char* harm;  // what the ghosts call it when they look alone; null: nobody is harmed yet
};

void PrintTo(const Seeded& seeded, std::ostream* out) { *out << seeded.name; }

class SeededRuleTest : public ::testing::TestWithParam<Seeded> {};

TEST_P(SeededRuleTest, IsFoundByItsInvariantWithAMinimalTrace) {
  const SearchReport report = Explore(*GetParam().machine, Scope());
  EXPECT_EQ(report.violation, GetParam().invariant) << Describe(report);
  EXPECT_EQ(report.trace.size(), GetParam().moves) << Describe(report);
}

TEST_P(SeededRuleTest, HarmsItsCallers) {
  if (GetParam().harm == nullptr) return;
  Scope scope;
  scope.check_invariants = false;
  const SearchReport report = Explore(*GetParam().machine, scope);
  EXPECT_EQ(report.violation, GetParam().harm) << Describe(report);
}

LapseForgetsDoubt lapse_forgets_doubt;
UnsetReleaseErasesDoubt unset_release_erases_doubt;
RenewalShortens renewal_shortens;
LongerRenewalIsNotDurable longer_renewal_is_not_durable;
RenewalRevives renewal_revives;
ReleaseIgnoresTheToken release_ignores_the_token;
ReleaseByAttemptTakesUsedGrants release_by_attempt_takes_used_grants;

constexpr Seeded kSeeded[] = {
    {"LapseForgetsDoubt", &lapse_forgets_doubt, "I5", 5, "I5"},
    {"UnsetReleaseErasesDoubt", &unset_release_erases_doubt, "I5", 3, "I5"},
    {"RenewalShortens", &renewal_shortens, "L4", 3, "L5"},
    {"LongerRenewalIsNotDurable", &longer_renewal_is_not_durable, "D1", 2, "L5"},
    {"RenewalRevives", &renewal_revives, "L6", 3, nullptr},
    {"ReleaseIgnoresTheToken", &release_ignores_the_token, "L7", 2, "L5"},
    {"ReleaseByAttemptTakesUsedGrants", &release_by_attempt_takes_used_grants, "L7", 3, nullptr},
};

INSTANTIATE_TEST_SUITE_P(, SeededRuleTest, ::testing::ValuesIn(kSeeded),
                         [](const auto& seeded) { return std::string(seeded.param.name); });

TEST(ExhaustiveTest, TheTraceTellsWhatHappened) {
  const SearchReport report = Explore(lapse_forgets_doubt, Scope());
  EXPECT_EQ(report.sentence, "a run ended while its outcome is open");
  EXPECT_THAT(report.trace,
              ElementsAre("AcquireLock accept_recover by a IN_DOUBT", "Release UNKNOWN token 1",
                          "AcquireLock accept_recover by a FORGET", "a tick passes", "Lapse"))
      << Describe(report);
}

}  // namespace
}  // namespace latchkey::exhaustive
