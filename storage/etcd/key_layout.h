// Which etcd keys a deployment uses, all of them under its prefix. Live records lie apart from the
// others, so that they can be listed and watched quickly however many are completed.
#pragma once

#include <string>
#include <string_view>

namespace latchkey::storage {

class KeyLayout {
 public:
  explicit KeyLayout(const std::string& prefix) : root_(prefix + "/") {}

  // Of a record that is HELD or IN_DOUBT, and of any other. A record is in one place at a time.
  std::string Live(std::string_view store_key) const { return Join("live/", store_key); }
  std::string Done(std::string_view store_key) const { return Join("done/", store_key); }
  // Whose layout this is.
  std::string Format() const { return Join("format", ""); }
  // In which etcd cluster this was made, or last restored.
  std::string Cluster() const { return Join("cluster", ""); }
  // What tokens are counted from.
  std::string Floor() const { return Join("floor", ""); }
  // The StoreState.
  std::string State() const { return Join("state", ""); }
  // Up to which revision etcd has been compacted, and so whose turn it is next.
  std::string Compaction() const { return Join("compaction", ""); }

  // How far the records have been looked through for what can be reclaimed.
  std::string Sweep() const { return Join("sweep", ""); }

  const std::string& root() const { return root_; }

  // The first key that does not begin with `prefix`, which ends in a byte below 0xFF somewhere.
  static std::string EndOf(std::string prefix) {
    while (static_cast<unsigned char>(prefix.back()) == 0xFF) prefix.pop_back();
    ++prefix.back();
    return prefix;
  }

 private:
  std::string Join(std::string_view part, std::string_view rest) const {
    std::string key;
    key.reserve(root_.size() + part.size() + rest.size());
    key.append(root_).append(part).append(rest);
    return key;
  }

  const std::string root_;
};

}  // namespace latchkey::storage
