#include "tools/payment_demo/progress.h"

#include <unistd.h>

#include <cstdio>
#include <sstream>

#include "tools/payment_demo/receipt.h"

namespace latchkey::demo {

void Tally::Add(std::size_t worker, const std::string& line) {
  std::istringstream words(line);
  std::size_t row = 0;
  std::string word;
  if (!(words >> row >> word) || row >= rows_.size()) return;
  const auto ending = ParseEnding(word);
  if (!ending) return;
  ++calls_;
  ++endings_[*ending];
  tried_.emplace(worker, row);
  if (*ending == Ending::kConflict) conflicts_.emplace(rows_[row].id, FingerprintOf(rows_[row]));
}

std::size_t Tally::Count(Ending ending) const {
  const auto found = endings_.find(ending);
  return found == endings_.end() ? 0 : found->second;
}

ProgressDisplay::ProgressDisplay() : terminal_(isatty(STDOUT_FILENO) == 1) {}

void ProgressDisplay::Update(const Tally& tally) {
  const auto now = std::chrono::steady_clock::now();
  if (now < next_) return;
  next_ = now + (terminal_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(1'000));
  Draw(tally);
}

void ProgressDisplay::Finish(const Tally& tally) {
  Draw(tally);
  if (terminal_) std::printf("\n");
}

void ProgressDisplay::Draw(const Tally& tally) {
  constexpr std::size_t kBarWidth = 16;
  const std::size_t percent = tally.tried() * 100 / tally.to_try();
  std::string bar(percent * kBarWidth / 100, '#');
  bar.resize(kBarWidth, '.');
  // Fits 80 columns: a longer line could not be drawn over itself.
  std::printf("%s  [%s] %3zu%%  paid %zu  declined %zu  replayed %zu  recovered %zu%s",
              terminal_ ? "\r" : "", bar.c_str(), percent, tally.Count(Ending::kPaid),
              tally.Count(Ending::kDeclined), tally.Count(Ending::kReplayed),
              tally.Count(Ending::kRecovered), terminal_ ? "\033[K" : "\n");
  std::fflush(stdout);
}

}  // namespace latchkey::demo
