// What somebody may do, in which namespaces.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace latchkey {

// Each includes those before it.
enum class Role {
  kNone,
  kRead,   // look at keys and records
  kUse,    // lock keys and record results
  kAdmin,  // settle, release and delete what others hold
};

// As access files and refusals call them.
constexpr std::string_view NameOf(Role role) {
  switch (role) {
    case Role::kNone:
      return "none";
    case Role::kRead:
      return "read";
    case Role::kUse:
      return "use";
    case Role::kAdmin:
      return "admin";
  }
  return "";
}

// Rights add up: a role in all namespaces is never taken back in one. Immutable once it is shared.
class Roles {
 public:
  void Add(std::string_view name_space, Role role) {
    Role& known = in_[std::string(name_space)];
    known = std::max(known, role);
  }
  void AddEverywhere(Role role) { everywhere_ = std::max(everywhere_, role); }

  Role In(std::string_view name_space) const {
    if (in_.empty()) return everywhere_;
    const auto found = in_.find(absl::string_view(name_space.data(), name_space.size()));
    return found == in_.end() ? everywhere_ : std::max(everywhere_, found->second);
  }
  // For what concerns all namespaces at once.
  Role everywhere() const { return everywhere_; }

 private:
  Role everywhere_ = Role::kNone;
  absl::flat_hash_map<std::string, Role> in_;
};

}  // namespace latchkey
