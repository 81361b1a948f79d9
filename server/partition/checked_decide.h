// Decide, Lapse and UndoGrant, as the partitions call them: a debug build also checks that the step
// breaks no invariant, and ends the process if it does. Nothing that a caller sends can cause that;
// only a bug can.
#pragma once

#include "server/machine/record_machine.h"

#ifndef NDEBUG
#include <cstdio>
#include <cstdlib>

#include "server/machine/invariants.h"
#endif

namespace latchkey {

#ifdef NDEBUG

template <class Request, class Response>
[[nodiscard]] Step CheckedDecide(KeyState& key, const Request& request, const Context& context,
                                 Response* response) {
  return Decide(key, request, context, response);
}

[[nodiscard]] inline Step CheckedLapse(KeyState& key, const Context& context) {
  return Lapse(key, context);
}

[[nodiscard]] inline Step CheckedUndoGrant(KeyState& key, std::uint64_t fencing_token,
                                           const Context& context) {
  return UndoGrant(key, fencing_token, context);
}

#else

inline void AbortOn(const std::optional<Invariants::Violation>& violation) {
  if (!violation.has_value()) return;
  std::fprintf(stderr, "invariant %.*s is broken: %.*s\n", static_cast<int>(violation->name.size()),
               violation->name.data(), static_cast<int>(violation->sentence.size()),
               violation->sentence.data());
  std::abort();
}

template <class Request, class Response>
[[nodiscard]] Step CheckedDecide(KeyState& key, const Request& request, const Context& context,
                                 Response* response) {
  std::optional<Invariants::Violation> violation;
  Step step = Invariants::Decide(key, request, context, response, &violation);
  AbortOn(violation);
  return step;
}

[[nodiscard]] inline Step CheckedLapse(KeyState& key, const Context& context) {
  std::optional<Invariants::Violation> violation;
  Step step = Invariants::Lapse(key, context, &violation);
  AbortOn(violation);
  return step;
}

[[nodiscard]] inline Step CheckedUndoGrant(KeyState& key, std::uint64_t fencing_token,
                                           const Context& context) {
  std::optional<Invariants::Violation> violation;
  Step step = Invariants::UndoGrant(key, fencing_token, context, &violation);
  AbortOn(violation);
  return step;
}

#endif

}  // namespace latchkey
