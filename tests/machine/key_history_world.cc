// Where a KeyHistory stands: settings, time, tokens, attempts, and what a command's words mean
// there.

#include <algorithm>

#include "tests/machine/key_history.h"

namespace latchkey::naive {
namespace {

constexpr Nanos kSecond = 1'000'000'000;
constexpr Nanos kTick = kSecond / 10;
constexpr Nanos kEndedMemory = 60 * kSecond;

// Small, so that everything is reached; the audit log is long enough not to lose what is compared.
Limits SmallLimits() {
  Limits limits;
  limits.code_bytes = 8;
  limits.provider_reference_bytes = 8;
  limits.content_type_bytes = 12;
  limits.payload_bytes = 16;
  limits.key_retention_slack = std::chrono::seconds(100);
  limits.lease_duration_max = std::chrono::seconds(1);
  return limits;
}

NamespaceSettings SmallSettings() {
  NamespaceSettings settings;
  settings.payload_retention = std::chrono::seconds(30);
  settings.key_retention = std::chrono::seconds(1000);
  settings.downstream_key_ttl = std::chrono::seconds(3);
  return settings;
}

Settings ModelSettings(const Limits& limits, const NamespaceSettings& settings) {
  return Settings{.code = limits.code_bytes,
                  .reference = limits.provider_reference_bytes,
                  .content_type = limits.content_type_bytes,
                  .payload = limits.payload_bytes,
                  .lates = limits.late_outcomes,
                  .audits = limits.audit_entries,
                  .key_retention = settings.key_retention.count(),
                  .payload_retention = settings.payload_retention.count(),
                  .slack = limits.key_retention_slack.count(),
                  .ttl = settings.downstream_key_ttl.count(),
                  .longest_lease = limits.lease_duration_max.count()};
}

}  // namespace

KeyHistory::KeyHistory(Counts* counts)
    : counts_(counts),
      limits_(SmallLimits()),
      namespace_settings_(SmallSettings()),
      model_(ModelSettings(limits_, namespace_settings_)),
      monotonic_(3600 * kSecond),
      retention_(1'700'000'000 * kSecond),
      attempts_(8, 0) {}

World KeyHistory::MakeWorld(const Command& command) const {
  World world;
  world.monotonic = monotonic_;
  world.retention = retention_;
  world.latest = retention_ + latest_ahead_;
  world.horizon = horizon_;
  world.steady_since = steady_since_;
  world.highest = highest_;
  world.waiters = command.waiters;
  world.creation_refusal = command.creation_refusal;
  world.restored = restored_;
  world.doubtful = doubtful_;
  world.restored_at = restored_at_;
  world.unknown_since = unknown_since_;
  const auto ended = ended_.find(AttemptOf(command.caller));
  world.attempt_ended =
      command.attempt_ended || (ended != ended_.end() && monotonic_ - ended->second < kEndedMemory);
  return world;
}

Context KeyHistory::MakeContext(const World& world) const {
  Context context;
  context.now = {MonotonicTime(Duration(world.monotonic)), WallTimeFromNanos(world.retention),
                 WallTimeFromNanos(world.latest), WallTimeFromNanos(world.steady_since)};
  context.limits = &limits_;
  context.settings = &namespace_settings_;
  context.horizon = WallTimeFromNanos(world.horizon);
  context.highest_token = world.highest;
  context.waiters = static_cast<std::uint32_t>(world.waiters);
  context.attempt_ended = world.attempt_ended;
  if (!world.creation_refusal.empty()) {
    v1::Refusal::Reason_Parse(world.creation_refusal, &context.creation_refusal);
  }
  context.restore = {world.restored, world.doubtful, WallTimeFromNanos(world.restored_at),
                     WallTimeFromNanos(world.unknown_since)};
  context.name_space = kNamespace;
  context.key = kKey;
  return context;
}

std::string KeyHistory::AttemptOf(int caller) const {
  return "attempt-" + std::to_string(caller) + "-" +
         std::to_string(attempts_[static_cast<std::size_t>(caller)]);
}

Token KeyHistory::Choose(TokenChoice choice) const {
  const Token newest = tokens_.empty() ? highest_ + 1 : tokens_.back();
  switch (choice) {
    case TokenChoice::kOlder:
      return tokens_.size() < 2 ? highest_ + 1 : tokens_[tokens_.size() - 2];
    case TokenChoice::kOtherKey:  // commits leave a gap below each token
      return newest > 1 ? newest - 1 : newest + 1;
    case TokenChoice::kFuture:
      return highest_ + 1;
    case TokenChoice::kNewest:
      break;
  }
  return newest;
}

std::optional<Nanos> KeyHistory::ChooseSentAt(SentAt choice) const {
  const Nanos oldest = retention_ - namespace_settings_.key_retention.count();
  switch (choice) {
    case SentAt::kUnset:
      return std::nullopt;
    case SentAt::kNow:
      return retention_;
    case SentAt::kTooOld:
      return oldest;
    case SentAt::kJustInTime:
      return oldest + 1;
    case SentAt::kHorizon:
      return std::max<Nanos>(horizon_, 1);
    case SentAt::kAfterHorizon:
      return horizon_ + 1;
    case SentAt::kBeforeRestore:
      return std::max<Nanos>(restored_at_, 1);
    case SentAt::kAfterRestore:
      break;
  }
  return restored_at_ + 1;
}

// How far to go; not at all where the time meant is past or there is none.
Nanos KeyHistory::ChooseStep(TimeStep step) const {
  const Stored& stored = model_.stored();
  const Nanos to_deadline = stored.state == State::kHeld ? model_.deadline() - monotonic_ : 0;
  const Nanos to_downstream = stored.created + stored.ttl - retention_ - latest_ahead_;
  Nanos to_body = 0, to_key = 0;
  if (stored.result) {
    to_body = stored.result->recorded_at + stored.result->retention - retention_;
    to_key = stored.result->recorded_at + namespace_settings_.key_retention.count() - retention_;
  }
  const Nanos slack = limits_.key_retention_slack.count();
  switch (step) {
    case TimeStep::kTick:
      return kTick;
    case TimeStep::kToDeadline:
      return to_deadline;
    case TimeStep::kBeforeDeadline:
      return to_deadline - 1;
    case TimeStep::kAfterDeadline:
      return to_deadline + 1;
    case TimeStep::kToDownstreamEnd:
      return to_downstream;
    case TimeStep::kBeforeDownstreamEnd:
      return to_downstream - 1;
    case TimeStep::kToBodyEnd:
      return to_body;
    case TimeStep::kBeforeBodyEnd:
      return to_body - 1;
    case TimeStep::kToKeyEnd:
      return to_key;
    case TimeStep::kBeforeKeyEnd:
      return to_key - 1;
    case TimeStep::kToForgotten:
      return stored.result ? to_key + slack : 0;
    case TimeStep::kBeforeForgotten:
      return stored.result ? to_key + slack - 1 : 0;
    case TimeStep::kDay:
      break;
  }
  return 86'400 * kSecond;
}

void KeyHistory::Advance(const Command& command) {
  const Nanos by = std::max<Nanos>(0, ChooseStep(command.step));
  monotonic_ += by;
  retention_ += by;
  if (command.wall_steps) steady_since_ = retention_ += kTick;
  latest_ahead_ = command.latest_ahead ? kTick : 0;
  if (command.raise_horizon) horizon_ = std::max(horizon_, retention_ - 500 * kSecond);
}

}  // namespace latchkey::naive
