// Decide, as the partitions call it: a debug build also checks that the step breaks no invariant,
// and ends the process if it does. Nothing that a caller sends can cause that; only a bug can.
#pragma once

#include "server/machine/record_machine.h"

#ifndef NDEBUG
#include <cstdio>
#include <cstdlib>

#include "server/machine/invariants.h"
#endif

namespace latchkey {

template <class Request, class Response>
[[nodiscard]] Step CheckedDecide(KeyState& key, const Request& request, const Context& context,
                                 Response* response) {
#ifdef NDEBUG
  return Decide(key, request, context, response);
#else
  std::optional<Invariants::Violation> violation;
  Step step = Invariants::Decide(key, request, context, response, &violation);
  if (violation.has_value()) {
    std::fprintf(stderr, "invariant %.*s is broken: %.*s\n",
                 static_cast<int>(violation->name.size()), violation->name.data(),
                 static_cast<int>(violation->sentence.size()), violation->sentence.data());
    std::abort();
  }
  return step;
#endif
}

}  // namespace latchkey
