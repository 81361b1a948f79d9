// What a search through all states found, how it is printed, and how long it may go on. Both
// searches use it: tests/machine/explorer.h and tests/partition/search.h.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

namespace latchkey {

struct SearchReport {
  std::size_t states = 0;
  std::size_t transitions = 0;
  int depth = 0;          // every sequence of so many moves was tried
  bool complete = false;  // and no longer one leads to a state that was not seen
  std::string violation;  // the invariant's name; empty: none is broken
  std::string sentence;
  std::vector<std::string> trace;  // the fewest moves that break it
};

// The violation with its trace, if there is one; then a line of `key=value`.
inline std::string Describe(const SearchReport& report) {
  std::ostringstream out;
  if (!report.violation.empty()) {
    out << "violation: " << report.violation << " " << report.sentence << "\n";
    for (const std::string& move : report.trace) out << "  " << move << "\n";
  }
  out << "states=" << report.states << " transitions=" << report.transitions
      << " depth=" << report.depth << " complete=" << (report.complete ? "yes" : "no")
      << " violations=" << (report.violation.empty() ? 0 : 1) << "\n";
  return out.str();
}

// Where a search stops although states are left.
struct SearchBounds {
  int depth = 1'000;
  // Memory, too: a state takes about 60 bytes in the search of the partition, and 350 in that of
  // the machine.
  std::size_t states = 5'000'000;
  std::chrono::steady_clock::duration time = std::chrono::hours(24);

  // A long run is asked for:
  //   LATCHKEY_SEARCH_SECONDS   how long each search may take, to whatever depth
  //   LATCHKEY_SEARCH_STATES    how many states it may see; 5,000,000 if not given
  static bool Long() { return std::getenv("LATCHKEY_SEARCH_SECONDS") != nullptr; }
  // The bounds of the long run, if one is asked for.
  SearchBounds OrFromEnvironment() const {
    if (!Long()) return *this;
    SearchBounds bounds;
    bounds.time = std::chrono::seconds(std::atoi(std::getenv("LATCHKEY_SEARCH_SECONDS")));
    const char* const most = std::getenv("LATCHKEY_SEARCH_STATES");
    if (most != nullptr) bounds.states = std::strtoull(most, nullptr, 10);
    return bounds;
  }
};

}  // namespace latchkey
