// Whoever makes a call, or the calls of one session, and what the rules in force allow them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "server/access/access.h"
#include "server/machine/refusal.h"

namespace latchkey {

// Not thread-safe. A refusal is the same whatever is stored: it is given before anything is looked
// up.
class Caller {
 public:
  // Anybody, where no credentials are asked for: may do everything.
  Caller() = default;
  // `access` outlives it; null: as above.
  Caller(const Access* access, Credentials credentials)
      : access_(access), credentials_(std::move(credentials)) {}

  // CREDENTIALS_REQUIRED if nobody is known by these credentials.
  std::optional<Refusal> CheckKnown();
  // The same, or PERMISSION_DENIED.
  std::optional<Refusal> Check(Role needed, std::string_view name_space);
  // For what concerns all namespaces.
  std::optional<Refusal> CheckEverywhere(Role needed);

 private:
  // Looks the identity up, if the rules have changed since it was.
  void Resolve();

  const Access* access_ = nullptr;
  Credentials credentials_;
  std::uint64_t generation_ = 0;
  std::shared_ptr<const Identity> identity_;
};

}  // namespace latchkey
