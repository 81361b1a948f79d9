// How a fuzz target says that what it was fed broke a promise.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>

namespace latchkey::fuzz {

// Prints the invariant and what happened, and ends the process as a crash does, so that the fuzzer
// keeps the input.
[[noreturn]] inline void Violated(const char* invariant, const std::string& what) {
  std::fprintf(stderr, "violation: %s %s\n", invariant, what.c_str());
  std::abort();
}

}  // namespace latchkey::fuzz
