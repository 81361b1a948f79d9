// Random commands against the real machine and the naive model: every answer and every record must
// be the same, and the Invariants must hold after each.
//
//   LATCHKEY_MODEL_COMMANDS  how many commands; 1,000,000 if not given
//   LATCHKEY_MODEL_SEED      where the random numbers start; a fixed one if not given, so that a
//   build is
//                            either right or wrong
//
// A failure prints the seed and the shortest sequence of commands that still fails.
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <vector>

#include "tests/machine/key_history.h"
#include "tests/machine/model_commands.h"
#include <gtest/gtest.h>

namespace latchkey::naive {
namespace {

constexpr int kCommandsPerKey = 120;

// What a run that is worth anything has met.
constexpr const char* kFloors[] = {
    "grant EXECUTE",
    "grant RECOVER RESEND_SAME_KEY",
    "grant RECOVER QUERY_ONLY",
    "replay EXECUTE",
    "replay RECOVER RESEND_SAME_KEY",
    "replay RECOVER QUERY_ONLY",
    "replay before the commit",
    "contention",
    "contention in_doubt",
    "contention before the commit",
    "wait",
    "completed",
    "completed, body_expired",
    "completed, body_omitted",
    "completed, truncated",
    "grant with late_outcomes",
    "grant with a checkpoint",
    "grant with a doubt_age",
    "grant whose doubt_age begins with a step",
    "grant of a forgotten key",
    "AcquireLock refused FINGERPRINT_MISMATCH",
    "AcquireLock refused ATTEMPT_ENDED",
    "AcquireLock refused KEY_EXPIRED",
    "AcquireLock refused QUOTA_EXCEEDED",
    "AcquireLock refused STORAGE_FULL",
    "CheckResult refused FINGERPRINT_MISMATCH",
    "CheckResult refused KEY_EXPIRED",
    "CheckResult ABSENT",
    "CheckResult HELD",
    "CheckResult IN_DOUBT",
    "CheckResult COMPLETED",
    "RenewLease refused KEY_UNKNOWN",
    "RenewLease refused STALE_FENCING_TOKEN",
    "RenewLease refused LEASE_EXPIRED",
    "RenewLease refused ALREADY_COMPLETED",
    "RenewLease refused STORAGE_FULL",
    "renewal with a write",
    "renewal without a write",
    "renewal that promises more",
    "recorded in time",
    "recorded late",
    "already_recorded",
    "RecordResult refused KEY_UNKNOWN",
    "RecordResult refused STALE_FENCING_TOKEN",
    "RecordResult refused RESULT_CONFLICT",
    "late report kept by KEY_UNKNOWN",
    "late report kept by STALE_FENCING_TOKEN",
    "late report kept by RESULT_CONFLICT",
    "late report counted, not stored",
    "report with a token that was never issued",
    "key freed without its holder's word",
    "duplicate_effect_suspected",
    "Release refused KEY_UNKNOWN",
    "Release refused STALE_FENCING_TOKEN",
    "Release unset HELD -> ABSENT",
    "Release unset HELD -> IN_DOUBT",
    "Release NOT_EXECUTED HELD -> ABSENT",
    "Release NOT_EXECUTED HELD -> IN_DOUBT",
    "Release UNKNOWN HELD -> ABSENT",
    "Release UNKNOWN HELD -> IN_DOUBT",
    "Release RUN_NOT_EXECUTED HELD -> ABSENT",
    "Release unset IN_DOUBT -> IN_DOUBT",
    "Release NOT_EXECUTED IN_DOUBT -> ABSENT",
    "Release NOT_EXECUTED IN_DOUBT -> IN_DOUBT",
    "Release UNKNOWN IN_DOUBT -> IN_DOUBT",
    "Release RUN_NOT_EXECUTED IN_DOUBT -> ABSENT",
    "Release unset COMPLETED -> COMPLETED",
    "Release RUN_NOT_EXECUTED COMPLETED -> COMPLETED",
    "Release unset ABSENT -> ABSENT",
    "ReleaseAttempt HELD -> ABSENT",
    "ReleaseAttempt HELD -> IN_DOUBT",
    "ReleaseAttempt HELD -> HELD",
    "Lapse HELD -> ABSENT",
    "Lapse HELD -> IN_DOUBT",
    "lapse of a marked lease",
    "lapse exactly at the deadline",
    "UndoGrant HELD -> ABSENT",
    "UndoGrant HELD -> IN_DOUBT",
    "UndoGrant HELD -> HELD",
    "ResolveOutcome IN_DOUBT -> COMPLETED",
    "ResolveOutcome IN_DOUBT -> ABSENT",
    "ResolveOutcome ABSENT -> ABSENT",
    "ResolveOutcome COMPLETED -> COMPLETED",
    "ResolveOutcome refused NOT_IN_DOUBT",
    "ResolveOutcome refused STALE_FENCING_TOKEN",
    "ForceRelease HELD -> ABSENT",
    "ForceRelease HELD -> IN_DOUBT",
    "ForceRelease IN_DOUBT -> IN_DOUBT",
    "ForceRelease COMPLETED -> COMPLETED",
    "ForceRelease ABSENT -> ABSENT",
    "ForceRelease refused STALE_FENCING_TOKEN",
    "ForceRelease refused KEY_UNKNOWN",
    "DeleteRecord COMPLETED -> ABSENT",
    "DeleteRecord refused RECORD_LIVE",
    "DeleteRecord refused STALE_FENCING_TOKEN",
    "DeleteRecord refused KEY_UNKNOWN",
    "DeleteRecord ABSENT -> ABSENT",
    "GetRecord",
    "crash",
    "crash before the commit",
    "restore",
    "absent key after a restore, grant EXECUTE",
    "absent key after a restore, grant RECOVER RESEND_SAME_KEY",
    "absent key after a restore, grant RECOVER QUERY_ONLY",
    "contention about an absent key",
};

std::uint64_t FromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// The complaint of the first command that goes wrong; `commands` is cut behind it.
std::optional<std::string> Replay(std::vector<Command>* commands) {
  Counts ignored;
  KeyHistory history(&ignored);
  for (std::size_t i = 0; i < commands->size(); ++i) {
    if (auto complaint = history.Apply((*commands)[i])) {
      commands->resize(i + 1);
      return complaint;
    }
  }
  return std::nullopt;
}

// Takes out, one by one, every command that is not needed to fail.
std::string Shorten(std::vector<Command> commands) {
  std::string complaint = Replay(&commands).value_or("(does not fail again)");
  for (bool shorter = true; shorter;) {
    shorter = false;
    for (std::size_t i = commands.size(); i-- > 0;) {
      std::vector<Command> fewer = commands;
      fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
      if (auto still = Replay(&fewer)) {
        commands = fewer;
        complaint = *still;
        shorter = true;
        i = std::min(i, commands.size());
      }
    }
  }
  std::ostringstream out;
  for (const Command& command : commands) out << "  " << Print(command) << "\n";
  out << complaint;
  return out.str();
}

TEST(ModelTest, MachineAgreesWithTheNaiveModel) {
  const std::uint64_t seed = FromEnvironment("LATCHKEY_MODEL_SEED", 20240229);
  const std::uint64_t total = FromEnvironment("LATCHKEY_MODEL_COMMANDS", 2'000'000);
  std::cout << "LATCHKEY_MODEL_SEED=" << seed << " LATCHKEY_MODEL_COMMANDS=" << total << std::endl;
  Random random(seed);
  Counts counts;
  std::vector<Command> commands;
  for (std::uint64_t done = 0; done < total;) {
    KeyHistory history(&counts);
    const int callers = 2 + random.Below(4);
    commands.clear();
    for (int i = 0; i < kCommandsPerKey && done < total; ++i, ++done) {
      commands.push_back(RandomCommand(random, callers));
      if (history.Apply(commands.back())) {
        FAIL() << "seed " << seed << ", command " << done << "\n" << Shorten(commands);
      }
    }
  }
  for (const auto& [name, count] : counts) std::cout << "  " << name << ": " << count << "\n";
  for (const char* name : kFloors) {
    EXPECT_GT(counts[name], 0u) << "never exercised: " << name;
  }
}

}  // namespace
}  // namespace latchkey::naive
