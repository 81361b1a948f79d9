// What happened in a run: its last events for whoever looks for the reason of a failure, and one
// number for all of them, which two runs of the same seed share.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "base/time.h"

namespace latchkey::simulation {

class Trace {
 public:
  // `print_all`: to standard output, as they happen.
  explicit Trace(bool print_all) : print_all_(print_all) {}

  void Add(Duration now, std::string_view who, std::string_view what);

  std::uint64_t hash() const { return hash_; }
  // The last ones, oldest first, one a line.
  std::string Last() const;

 private:
  static constexpr std::size_t kKept = 200;

  const bool print_all_;
  std::uint64_t hash_ = 0xCBF29CE484222325;
  std::deque<std::string> last_;
};

}  // namespace latchkey::simulation
