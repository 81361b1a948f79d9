// A call that is refused: why, in words for people and in values for programs.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "latchkey/v1/errors.pb.h"

namespace latchkey {

using Reason = v1::Refusal::Reason;

struct Refusal {
  Reason reason = v1::Refusal::REASON_UNSPECIFIED;
  // One sentence: what is wrong and what to do.
  std::string message;
  // Every changing value of the message, by name.
  std::vector<std::pair<std::string, std::string>> metadata;
  // When a retry makes sense; empty: it does not.
  std::optional<Duration> retry_after;
};

}  // namespace latchkey
