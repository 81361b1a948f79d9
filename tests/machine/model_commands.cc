#include "tests/machine/model_commands.h"

#include <array>
#include <sstream>
#include <utility>

namespace latchkey::naive {
namespace {

constexpr Nanos kTick = 100'000'000;

template <class T, std::size_t size>
const T& Pick(Choices& random, const std::array<T, size>& choices) {
  return choices[static_cast<std::size_t>(random.Below(static_cast<int>(size)))];
}

// What it is worth trying often is listed more than once.
Kind RandomKind(Choices& random) {
  static constexpr std::array kWeights = {
      std::pair{Kind::kAcquire, 28},     std::pair{Kind::kRenew, 12},
      std::pair{Kind::kCheck, 5},        std::pair{Kind::kRecord, 6},
      std::pair{Kind::kRelease, 8},      std::pair{Kind::kReleaseAttempt, 3},
      std::pair{Kind::kGetRecord, 2},    std::pair{Kind::kResolve, 4},
      std::pair{Kind::kForceRelease, 2}, std::pair{Kind::kDelete, 7},
      std::pair{Kind::kLapse, 16},       std::pair{Kind::kUndo, 2},
      std::pair{Kind::kCrash, 2},        std::pair{Kind::kAdvance, 16},
      std::pair{Kind::kBackUp, 2},       std::pair{Kind::kRestore, 1},
      std::pair{Kind::kClearDoubt, 1},
  };
  static constexpr int kTotal = [] {
    int total = 0;
    for (const auto& [kind, weight] : kWeights) total += weight;
    return total;
  }();
  int left = random.Below(kTotal);
  for (const auto& [kind, weight] : kWeights) {
    if (left < weight) return kind;
    left -= weight;
  }
  return Kind::kAcquire;
}

TokenChoice RandomToken(Choices& random) {
  if (!random.OneIn(4)) return TokenChoice::kNewest;
  static constexpr std::array kOthers = {TokenChoice::kOlder, TokenChoice::kOlder,
                                         TokenChoice::kOlder, TokenChoice::kOtherKey,
                                         TokenChoice::kFuture};
  return Pick(random, kOthers);
}

// Lease and body ends are near and tried all the time; retention is far, and jumping there ends
// everything else.
TimeStep RandomStep(Choices& random) {
  if (!random.OneIn(3)) return static_cast<TimeStep>(random.Below(4));
  if (!random.OneIn(4)) return static_cast<TimeStep>(4 + random.Below(4));
  return static_cast<TimeStep>(8 + random.Below(5));
}

std::string RandomFingerprint(Choices& random) {
  static const std::array<std::string, 8> kFingerprints = {"", "", "", "A", "A", "A", "A", "B"};
  return Pick(random, kFingerprints);
}

void FillAcquire(Choices& random, Command* command) {
  AcquireCall& call = command->acquire;
  call.lease = kTick * (1 + random.Below(5));
  call.wait = random.OneIn(3) ? kTick * 10 : 0;
  call.on_lapse = static_cast<OnLapse>(random.Below(3));
  call.accept_recover = !random.OneIn(3);
  static constexpr std::array<Nanos, 3> kTtls = {0, 10 * kTick, 50 * kTick};
  if (random.OneIn(2)) call.ttl = Pick(random, kTtls);
  command->new_attempt = random.OneIn(2);
  command->other_holder = random.OneIn(20);
  command->attempt_ended = random.OneIn(50);
  if (random.OneIn(25)) {
    command->creation_refusal = random.OneIn(2) ? "QUOTA_EXCEEDED" : "STORAGE_FULL";
  }
}

void FillRenew(Choices& random, Command* command) {
  if (random.OneIn(2)) command->renew.lease = kTick * (1 + random.Below(6));
  command->renew.started = random.OneIn(6);
  static const std::array<std::string, 4> kCheckpoints = {"", "step 1", "step 2", "after step 2"};
  if (random.OneIn(4)) command->renew.checkpoint = Pick(random, kCheckpoints);
  if (random.OneIn(10)) command->creation_refusal = "STORAGE_FULL";
}

void FillReport(Choices& random, Command* command) {
  // Long ones that are equal once they are cut, and one whose cut would split a character.
  static const std::array<std::string, 6> kCodes = {"",         "ok",          "ok",
                                                    "declined", "declined: 1", "declined: 2"};
  static const std::array<std::string, 7> kReferences = {
      "", "R1", "R1", "R1", "R2", "reference", "1234567\xC3\xA9"};
  static const std::array<std::string, 3> kTypes = {"", "text/plain", "application/json"};
  static const std::array<std::string, 5> kPayloads = {"", "body", "body", "other",
                                                       "seventeen bytes.."};
  static constexpr std::array<Nanos, 4> kRetentions = {-5, 0, 40 * kTick, 1'000'000 * kTick};
  Report& report = command->report;
  report.outcome = random.OneIn(3) ? Outcome::kRejected : Outcome::kSucceeded;
  report.code = Pick(random, kCodes);
  report.reference = Pick(random, kReferences);
  report.content_type = Pick(random, kTypes);
  report.payload = Pick(random, kPayloads);
  // A plain one, most of the time, so that it is repeated.
  if (!random.OneIn(3)) report = Report{0, report.outcome, "ok", "R1", "", "", std::nullopt};
  if (command->kind == Kind::kResolve) {
    if (random.OneIn(3)) report = Report{0, Outcome::kNotExecuted, "", "", "", "", std::nullopt};
  } else if (random.OneIn(3)) {
    report.retention = Pick(random, kRetentions);
  }
}

}  // namespace

std::uint64_t Random::Next() {
  std::uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

Command RandomCommand(Choices& random, int callers) {
  Command command;
  command.kind = RandomKind(random);
  command.same_batch = random.OneIn(4);
  command.caller = random.Below(callers);
  command.token = RandomToken(random);
  command.waiters = random.Below(4);
  switch (command.kind) {
    case Kind::kAcquire:
      FillAcquire(random, &command);
      [[fallthrough]];
    case Kind::kCheck:
      command.acquire.fingerprint = RandomFingerprint(random);
      if (command.kind == Kind::kCheck) command.acquire.wait = random.OneIn(2) ? kTick : 0;
      if (random.OneIn(3)) command.sent_at = static_cast<SentAt>(random.Below(8));
      break;
    case Kind::kRenew:
      FillRenew(random, &command);
      break;
    case Kind::kRecord:
    case Kind::kResolve:
      FillReport(random, &command);
      break;
    case Kind::kRelease:
      command.effect = static_cast<Effect>(random.Below(4));
      break;
    case Kind::kAdvance:
      command.step = RandomStep(random);
      command.raise_horizon = random.OneIn(20);
      command.latest_ahead = random.OneIn(4);
      command.wall_steps = random.OneIn(20);
      break;
    default:
      break;
  }
  return command;
}

const char* Name(Kind kind) {
  static constexpr std::array kNames = {
      "AcquireLock",    "RenewLease", "CheckResult",    "RecordResult", "Release",
      "ReleaseAttempt", "GetRecord",  "ResolveOutcome", "ForceRelease", "DeleteRecord",
      "Lapse",          "UndoGrant",  "Crash",          "Advance",      "BackUp",
      "Restore",        "ClearDoubt"};
  return kNames[static_cast<std::size_t>(kind)];
}

std::string Print(const Command& command) {
  static constexpr std::array kTokens = {"newest", "older", "of another key", "future"};
  static constexpr std::array kEffects = {"unset", "NOT_EXECUTED", "UNKNOWN", "RUN_NOT_EXECUTED"};
  static constexpr std::array kOnLapse = {"IN_DOUBT", "FORGET", "FORGET_UNLESS_STARTED"};
  static constexpr std::array kOutcomes = {"SUCCEEDED", "REJECTED", "NOT_EXECUTED"};
  static constexpr std::array kSteps = {"a tick",
                                        "to the deadline",
                                        "to 1 ns before the deadline",
                                        "to 1 ns after the deadline",
                                        "to the downstream key's end",
                                        "to 1 ns before the downstream key's end",
                                        "to the body's end",
                                        "to 1 ns before the body's end",
                                        "to the key's end",
                                        "to 1 ns before the key's end",
                                        "to when it is forgotten",
                                        "to 1 ns before it is forgotten",
                                        "a day"};
  static constexpr std::array kSentAt = {"unset",          "now",          "too old",
                                         "just in time",   "horizon",      "after horizon",
                                         "before restore", "after restore"};
  const auto at = [](const auto& names, auto value) {
    return names[static_cast<std::size_t>(value)];
  };
  std::ostringstream out;
  out << Name(command.kind);
  if (command.same_batch) out << " same_batch";
  switch (command.kind) {
    case Kind::kAcquire:
    case Kind::kCheck:
      out << " caller=" << command.caller << " fingerprint=" << command.acquire.fingerprint
          << " wait=" << command.acquire.wait << " sent_at=" << at(kSentAt, command.sent_at);
      if (command.kind == Kind::kCheck) break;
      out << " new_attempt=" << command.new_attempt << " other_holder=" << command.other_holder
          << " lease=" << command.acquire.lease
          << " on_lapse=" << at(kOnLapse, command.acquire.on_lapse)
          << " accept_recover=" << command.acquire.accept_recover
          << " ttl=" << command.acquire.ttl.value_or(-1)
          << " attempt_ended=" << command.attempt_ended
          << " creation_refusal=" << command.creation_refusal;
      break;
    case Kind::kAdvance:
      out << " " << at(kSteps, command.step) << " raise_horizon=" << command.raise_horizon
          << " latest_ahead=" << command.latest_ahead << " wall_steps=" << command.wall_steps;
      break;
    case Kind::kReleaseAttempt:
      out << " caller=" << command.caller;
      break;
    default:
      out << " token=" << at(kTokens, command.token);
  }
  if (command.kind == Kind::kRenew) {
    out << " lease=" << command.renew.lease.value_or(0) << " started=" << command.renew.started
        << " checkpoint=" << command.renew.checkpoint.value_or("(unset)")
        << " creation_refusal=" << command.creation_refusal;
  }
  if (command.kind == Kind::kRelease) out << " effect=" << at(kEffects, command.effect);
  if (command.kind == Kind::kRecord || command.kind == Kind::kResolve) {
    out << " outcome=" << at(kOutcomes, command.report.outcome) << " code=" << command.report.code
        << " reference=" << command.report.reference << " type=" << command.report.content_type
        << " payload=" << command.report.payload
        << " retention=" << command.report.retention.value_or(-1);
  }
  return out.str();
}

}  // namespace latchkey::naive
