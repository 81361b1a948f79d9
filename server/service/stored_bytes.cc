#include "server/service/stored_bytes.h"

#include <set>
#include <string>
#include <utility>

namespace latchkey {

// Of those that are named, and those that have live records: one that has none, and no name of its
// own, is measured when it has.
void StoredBytes::Look() {
  std::set<std::string> names;
  for (const auto& [name, settings] : namespaces_.named()) names.insert(name);
  if (namespaces_.others().stored_bytes_max != 0) {
    for (const auto& [name, counts] : live_counts_.All()) names.insert(name);
  }
  Quotas::Bytes measured;
  for (const std::string& name : names) {
    if (namespaces_.Get(name).stored_bytes_max == 0) continue;
    if (const auto bytes = store_.StoredBytes(name)) measured[name] = *bytes;
  }
  quotas_.SetStoredBytes(std::move(measured));
}

}  // namespace latchkey
