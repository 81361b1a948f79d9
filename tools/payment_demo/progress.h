// What the workers say they did, counted and shown while they do it.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tools/payment_demo/ending.h"
#include "tools/payment_demo/order.h"

namespace latchkey::demo {

// The workers' reports. Nothing is judged by it; only what leaves no other trace is taken from it
// in the end: replays and refused changes.
class Tally {
 public:
  Tally(const std::vector<Order>& rows, std::size_t workers) : rows_(rows), workers_(workers) {}

  // Takes a worker's report. Workers are numbered from 0; one that takes the place of another has
  // its number.
  void Add(std::size_t worker, const Report& report);

  // Calls that ended so.
  std::size_t Count(Ending ending) const;
  std::size_t calls() const { return calls_; }
  // Distinct rows of all workers that were tried at least once, of so many.
  std::size_t tried() const { return tried_.size(); }
  std::size_t to_try() const { return rows_.size() * workers_; }
  // How many of the rows at least one worker has tried, from 0 to 1.
  double share_tried() const;
  // The rows that this worker need not try again.
  std::vector<std::size_t> SettledBy(std::size_t worker) const;
  // Distinct changes of an order that were refused, however many workers tried them.
  std::size_t conflicts() const { return conflicts_.size(); }

 private:
  const std::vector<Order>& rows_;
  const std::size_t workers_;
  std::size_t calls_ = 0;
  std::map<Ending, std::size_t> endings_;
  std::set<std::pair<std::size_t, std::size_t>> tried_;    // worker, row
  std::set<std::pair<std::size_t, std::size_t>> settled_;  // worker, row
  std::set<std::size_t> rows_tried_;
  std::set<std::pair<std::string, std::string>> conflicts_;  // order id, fingerprint
};

// Shows a tally: on a terminal as one line that is drawn again and again, elsewhere as a line a
// second. What happens meanwhile goes above it, line by line.
class ProgressDisplay {
 public:
  enum class Mood { kBad, kGood };

  ProgressDisplay();
  // Says what happened, and when, to whom: "killed" or "recovered", for example, and the rest.
  void Tell(Mood mood, const std::string& who, const std::string& what, const std::string& rest);
  // Draws, if it is time to.
  void Update(const Tally& tally);
  // Draws for the last time.
  void Finish(const Tally& tally);

 private:
  void Draw(const Tally& tally);

  const bool terminal_;
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point next_{};
};

}  // namespace latchkey::demo
