#include "tools/payment_demo/ending.h"

#include <algorithm>
#include <array>

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
    Word{Ending::kFailed, "failed"},
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

}  // namespace latchkey::demo
