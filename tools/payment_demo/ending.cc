#include "tools/payment_demo/ending.h"

#include <algorithm>
#include <array>
#include <sstream>

namespace latchkey::demo {
namespace {

struct Word {
  Ending ending;
  std::string_view word;
};
constexpr std::array kWords = {
    Word{Ending::kPaid, "paid"},           Word{Ending::kDeclined, "declined"},
    Word{Ending::kRecovered, "recovered"}, Word{Ending::kReplayed, "replayed"},
    Word{Ending::kConflict, "conflict"},   Word{Ending::kInDoubt, "in_doubt"},
    Word{Ending::kFailed, "failed"},       Word{Ending::kCutOff, "cut_off"},
};

}  // namespace

std::string_view ToString(Ending ending) {
  return std::ranges::find(kWords, ending, &Word::ending)->word;
}

std::optional<Ending> ParseEnding(std::string_view word) {
  const auto* found = std::ranges::find(kWords, word, &Word::word);
  if (found == kWords.end()) return std::nullopt;
  return found->ending;
}

bool IsSettled(Ending ending) {
  return ending != Ending::kInDoubt && ending != Ending::kFailed && ending != Ending::kCutOff;
}

std::optional<Report> ParseReport(const std::string& line, std::size_t rows) {
  std::istringstream words(line);
  std::size_t row = 0;
  std::string word;
  if (!(words >> row >> word) || row >= rows) return std::nullopt;
  const auto ending = ParseEnding(word);
  if (!ending) return std::nullopt;
  return Report{row, *ending};
}

}  // namespace latchkey::demo
