// How a record is addressed in every store: namespace, a zero byte, key. Neither part may contain a
// zero byte, so the form is unambiguous and sorts by namespace, then key.
#pragma once

#include <string>
#include <string_view>

namespace latchkey::storage {

inline std::string MakeStoreKey(std::string_view name_space, std::string_view key) {
  std::string store_key;
  store_key.reserve(name_space.size() + 1 + key.size());
  store_key.append(name_space).push_back('\0');
  store_key.append(key);
  return store_key;
}

struct StoreKeyParts {
  std::string_view name_space;
  std::string_view key;
};

// The parts point into `store_key`, which must have come from MakeStoreKey.
inline StoreKeyParts SplitStoreKey(std::string_view store_key) {
  const auto zero = store_key.find('\0');
  return {store_key.substr(0, zero), store_key.substr(zero + 1)};
}

}  // namespace latchkey::storage
