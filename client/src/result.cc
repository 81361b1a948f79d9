#include "latchkey/result.h"

namespace latchkey::inline client {

const char* ToString(RunResult::Status status) {
  switch (status) {
    case RunResult::Status::kSucceeded:
      return "SUCCEEDED";
    case RunResult::Status::kRejected:
      return "REJECTED";
    case RunResult::Status::kNotExecuted:
      return "NOT_EXECUTED";
    case RunResult::Status::kInDoubt:
      return "IN_DOUBT";
    case RunResult::Status::kContention:
      return "CONTENTION";
    case RunResult::Status::kUnrecorded:
      return "UNRECORDED";
    case RunResult::Status::kRefused:
      return "REFUSED";
    case RunResult::Status::kUnavailable:
      return "UNAVAILABLE";
  }
  return "UNKNOWN";
}

const char* ToString(KeyStatus::State state) {
  switch (state) {
    case KeyStatus::State::kAbsent:
      return "ABSENT";
    case KeyStatus::State::kHeld:
      return "HELD";
    case KeyStatus::State::kInDoubt:
      return "IN_DOUBT";
    case KeyStatus::State::kCompleted:
      return "COMPLETED";
  }
  return "UNKNOWN";
}

}  // namespace latchkey::inline client
