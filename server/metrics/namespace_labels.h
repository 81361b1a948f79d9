// Which namespaces have metrics of their own. Callers make up namespaces as they like, so only
// those that the operator has named do, and `default`; all others share one label.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "server/machine/namespaces.h"

namespace latchkey {

// Immutable after construction, so safe from any thread.
class NamespaceLabels {
 public:
  explicit NamespaceLabels(const Namespaces& namespaces);

  // The place of the namespace's label; 0 is that of all others.
  std::size_t PlaceOf(std::string_view name_space) const {
    const auto found = places_.find(name_space);
    return found == places_.end() ? 0 : found->second;
  }
  const std::vector<std::string>& labels() const { return labels_; }

 private:
  std::vector<std::string> labels_;
  std::map<std::string, std::size_t, std::less<>> places_;
};

}  // namespace latchkey
