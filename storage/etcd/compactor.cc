#include "storage/etcd/compactor.h"

#include <charconv>
#include <string>

namespace latchkey::storage {
namespace {

// Looks within the time that revisions are kept.
constexpr int kLooks = 10;

}  // namespace

Compactor::Compactor(EtcdClient& client, const KeyLayout& layout, Clock& clock)
    : client_(client),
      after_(client.options().compact_after),
      turns_(client, layout.Compaction(), clock) {}

void Compactor::Start() {
  if (after_ <= Duration::zero()) return;
  background_.Start(after_ / kLooks, [this] {
    (void)Look();
    return after_ / kLooks;
  });
}

bool Compactor::Look() {
  const auto last = turns_.Take(
      [this](const std::string&) { return after_; },
      [this](const std::string&) { return std::optional(std::to_string(client_.revision())); });
  if (!last.has_value()) return false;
  std::int64_t revision = 0;
  (void)std::from_chars(last->data(), last->data() + last->size(), revision);
  return revision > 0 && client_.Compact(revision).ok();
}

}  // namespace latchkey::storage
