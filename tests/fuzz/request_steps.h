// The kinds of steps in an input of fuzz_requests.
#pragma once

#include <cstdint>

namespace latchkey::fuzz {

enum class RequestStep : std::uint8_t {
  kAcquireLock,
  kRenewLease,
  kCheckResult,
  kRecordResult,
  kRelease,
  kIssueKey,
  kGetRecord,
  kListRecords,
  kResolveOutcome,
  kForceRelease,
  kDeleteRecord,
  kPass,    // so many milliseconds pass
  kGoAway,  // the caller of the call that was started as this number goes away
  kCount,
};

}  // namespace latchkey::fuzz
