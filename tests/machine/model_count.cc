// What a run of the model test exercised, by name; model_test fails where one of kFloors is zero.

#include "tests/machine/key_history.h"

namespace latchkey::naive {
namespace {

const char* StateName(State state) {
  switch (state) {
    case State::kAbsent:
      return "ABSENT";
    case State::kHeld:
      return "HELD";
    case State::kInDoubt:
      return "IN_DOUBT";
    case State::kCompleted:
      return "COMPLETED";
  }
  return "?";
}

const char* EffectName(Effect effect) {
  switch (effect) {
    case Effect::kUnset:
      return "unset";
    case Effect::kNotExecuted:
      return "NOT_EXECUTED";
    case Effect::kUnknown:
      return "UNKNOWN";
    case Effect::kRunNotExecuted:
      return "RUN_NOT_EXECUTED";
  }
  return "?";
}

std::string NameOf(const Grant& grant) {
  std::string name = grant.replayed ? "replay " : "grant ";
  name += grant.execute ? "EXECUTE" : "RECOVER";
  if (!grant.execute) name += grant.resend ? " RESEND_SAME_KEY" : " QUERY_ONLY";
  return name;
}

}  // namespace

void KeyHistory::Count(const Command& command, const Stored& before, const Answer& answer) {
  const auto count = [this](const std::string& what) { ++(*counts_)[what]; };
  const std::string name = Name(command.kind);
  const State after = model_.stored().state;
  if (!answer.former_attempt.empty()) count("key freed without its holder's word");
  if (!answer.refusal.empty()) {
    count(name + " refused " + answer.refusal);
    if (answer.late_kept) count("late report kept by " + answer.refusal);
    if (command.kind == Kind::kRecord && command.token == TokenChoice::kFuture) {
      count("report with a token that was never issued");
    }
  } else if (answer.grant) {
    count(NameOf(*answer.grant));
    if (answer.grant->replayed && model_.pending()) count("replay before the commit");
    if (!answer.grant->lates.empty()) count("grant with late_outcomes");
    if (!answer.grant->checkpoint.empty()) count("grant with a checkpoint");
    if (answer.grant->doubt_age > 0) count("grant with a doubt_age");
    if (answer.grant->doubt_age > 0 && before.doubt_since < steady_since_) {
      count("grant whose doubt_age begins with a step");
    }
    if (before.state == State::kCompleted) count("grant of a forgotten key");
    if (doubtful_ && before.state == State::kAbsent) {
      count("absent key after a restore, " + NameOf(*answer.grant));
    }
  } else if (answer.contention) {
    count(answer.contention->in_doubt ? "contention in_doubt" : "contention");
    if (answer.wait) count("wait");
    if (before.state == State::kAbsent) count("contention about an absent key");
    if (model_.pending()) count("contention before the commit");
  } else if (command.kind == Kind::kAcquire) {
    count("completed");
    if (answer.completed->expired) count("completed, body_expired");
    if (answer.completed->result.omitted) count("completed, body_omitted");
    if (answer.completed->result.truncated) count("completed, truncated");
  } else if (command.kind == Kind::kRecord) {
    if (answer.already_recorded) count("already_recorded");
    if (!answer.already_recorded) count(answer.late ? "recorded late" : "recorded in time");
  } else if (command.kind == Kind::kRelease) {
    count(name + " " + EffectName(command.effect) + " " + StateName(before.state) + " -> " +
          StateName(after));
  } else if (command.kind == Kind::kCheck) {
    count(name + " " + StateName(*answer.state));
  } else {
    count(name + " " + StateName(before.state) + " -> " + StateName(after));
  }
  if (answer.lapsed && answer.lapsed_started) count("lapse of a marked lease");
  if (answer.newly_suspected) count("duplicate_effect_suspected");
  if (answer.late_kept && model_.stored().late_count > static_cast<int>(limits_.late_outcomes)) {
    count("late report counted, not stored");
  }
  if (command.kind == Kind::kLapse && monotonic_ == model_.deadline()) {
    count("lapse exactly at the deadline");
  }
  if (command.kind == Kind::kRenew && answer.refusal.empty()) {
    count(answer.durable ? "renewal with a write" : "renewal without a write");
    if (before.promised < model_.stored().promised) count("renewal that promises more");
  }
}

}  // namespace latchkey::naive
