#include "server/metrics/namespace_labels.h"

namespace latchkey {
namespace {

// As in the config file; no namespace can have this name.
constexpr char kOthers[] = "*";
constexpr char kDefault[] = "default";

}  // namespace

NamespaceLabels::NamespaceLabels(const Namespaces& namespaces) : labels_{kOthers} {
  const auto add = [this](const std::string& name) {
    if (places_.try_emplace(name, labels_.size()).second) labels_.push_back(name);
  };
  add(kDefault);
  for (const auto& [name, settings] : namespaces.named()) add(name);
}

}  // namespace latchkey
