#include "tools/payment_demo/progress.h"

#include <unistd.h>

#include <cstdio>

#include "tools/payment_demo/receipt.h"

namespace latchkey::demo {

void Tally::Add(std::size_t worker, const Report& report) {
  const auto [row, ending] = report;
  ++calls_;
  ++endings_[ending];
  tried_.emplace(worker, row);
  rows_tried_.insert(row);
  if (IsSettled(ending)) settled_.emplace(worker, row);
  if (ending == Ending::kConflict) conflicts_.emplace(rows_[row].id, FingerprintOf(rows_[row]));
}

std::size_t Tally::Count(Ending ending) const {
  const auto found = endings_.find(ending);
  return found == endings_.end() ? 0 : found->second;
}

double Tally::share_tried() const {
  return static_cast<double>(rows_tried_.size()) / static_cast<double>(rows_.size());
}

std::vector<std::size_t> Tally::SettledBy(std::size_t worker) const {
  std::vector<std::size_t> rows;
  for (const auto& [by, row] : settled_) {
    if (by == worker) rows.push_back(row);
  }
  return rows;
}

ProgressDisplay::ProgressDisplay() : terminal_(isatty(STDOUT_FILENO) == 1) {}

void ProgressDisplay::Tell(Mood mood, const std::string& who, const std::string& what,
                           const std::string& rest) {
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin_;
  const char* const color = mood == Mood::kBad ? "\033[31m" : "\033[32m";
  std::printf("%s%6.1f s  %s %-11s%s%-9s%s %s\n", terminal_ ? "\r\033[K" : "", passed.count(),
              mood == Mood::kBad ? "x" : "+", who.c_str(), terminal_ ? color : "", what.c_str(),
              terminal_ ? "\033[0m" : "", rest.c_str());
  if (terminal_) next_ = {};  // the line below it is gone
  std::fflush(stdout);
}

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
