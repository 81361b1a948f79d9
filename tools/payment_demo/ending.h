// The words in which workers report to the driver.
#pragma once

#include <optional>
#include <string_view>

namespace latchkey::demo {

// What came of paying a row.
enum class Ending {
  kPaid,       // charged by this call
  kDeclined,   // declined for good in this call
  kRecovered,  // settled by this call after an earlier one had ended without an answer
  kReplayed,   // answered with the stored result of an earlier call
  kConflict,   // refused: the order is known with another amount or customer
  kInDoubt,    // may have been charged; to be tried again
  kFailed,     // not done; to be tried again
};

// One word for it, such as "paid"; and back.
std::string_view ToString(Ending ending);
std::optional<Ending> ParseEnding(std::string_view word);

}  // namespace latchkey::demo
