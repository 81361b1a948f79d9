// The words in which workers report to the driver.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
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
  kCutOff,     // charged, and not recorded: the worker stopped there, to be killed
};

// One word for it, such as "paid"; and back.
std::string_view ToString(Ending ending);
std::optional<Ending> ParseEnding(std::string_view word);

// Whether the row is done with, and need not be tried again.
bool IsSettled(Ending ending);

// A line of a worker, "ROW ENDING": what came of the row of that index, from 0.
struct Report {
  std::size_t row;
  Ending ending;
};

// Empty for any other text, also for a row that is none of that many.
std::optional<Report> ParseReport(const std::string& line, std::size_t rows);

}  // namespace latchkey::demo
