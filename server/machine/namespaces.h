// The settings of the namespaces.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "server/machine/limits.h"

namespace latchkey {

// Immutable after construction, so safe from any thread.
class Namespaces {
 public:
  Namespaces() = default;
  Namespaces(NamespaceSettings others, std::map<std::string, NamespaceSettings, std::less<>> named)
      : others_(others), named_(std::move(named)) {}

  const NamespaceSettings& Get(std::string_view name_space) const {
    const auto found = named_.find(name_space);
    return found == named_.end() ? others_ : found->second;
  }
  bool IsNamed(std::string_view name_space) const { return named_.contains(name_space); }

  // Of all namespaces that have no settings of their own.
  const NamespaceSettings& others() const { return others_; }
  const std::map<std::string, NamespaceSettings, std::less<>>& named() const { return named_; }

 private:
  NamespaceSettings others_;
  std::map<std::string, NamespaceSettings, std::less<>> named_;
};

}  // namespace latchkey
