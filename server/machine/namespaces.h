// The settings of the namespaces. The record machine itself is given those of one.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "base/replaceable.h"
#include "server/machine/limits.h"

namespace latchkey {

// Thread-safe. What it answers with stays valid as long as the object, also when the settings are
// replaced meanwhile. A copy has the settings of the moment, and is replaced by itself.
class Namespaces {
 public:
  using Named = std::map<std::string, NamespaceSettings, std::less<>>;

  Namespaces() : Namespaces({}, {}) {}
  Namespaces(NamespaceSettings others, Named named)
      : all_(All{.others = others, .named = std::move(named)}) {}
  Namespaces(const Namespaces& other) : all_(other.all_.Get()) {}
  Namespaces& operator=(const Namespaces& other) {
    Replace(other);
    return *this;
  }

  // Takes over the settings of `next`, all at once.
  void Replace(const Namespaces& next) {
    if (!(next.all_.Get() == all_.Get())) all_.Replace(next.all_.Get());
  }

  const NamespaceSettings& Get(std::string_view name_space) const {
    const All& all = all_.Get();
    const auto found = all.named.find(name_space);
    return found == all.named.end() ? all.others : found->second;
  }
  bool IsNamed(std::string_view name_space) const { return named().contains(name_space); }

  // Of all namespaces that have no settings of their own.
  const NamespaceSettings& others() const { return all_.Get().others; }
  const Named& named() const { return all_.Get().named; }

  // Another one after every Replace that changed something.
  const void* version() const { return &all_.Get(); }

 private:
  struct All {
    NamespaceSettings others;
    Named named;
    bool operator==(const All&) const = default;
  };
  Replaceable<All> all_;
};

}  // namespace latchkey
