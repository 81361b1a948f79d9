#include "storage/etcd/sweeper.h"

#include <utility>

#include "storage/etcd/record_txn.h"

namespace latchkey::storage {
namespace {

constexpr std::int64_t kPage = 256;
// Between two pages, where there was something to reclaim and where there was not; and after a
// round.
constexpr Duration kQuickly = std::chrono::milliseconds(50);
constexpr Duration kSlowly = std::chrono::milliseconds(500);
constexpr Duration kRest = std::chrono::minutes(10);

// What a turn leaves is the last key that it read, after one letter; a round that is over leaves
// nothing.
constexpr char kRead = 'k';

}  // namespace

Sweeper::Sweeper(EtcdClient& client, const KeyLayout& layout, Clock& clock, RecordStore& store,
                 Expire expire)
    : client_(client),
      layout_(layout),
      store_(store),
      expire_(std::move(expire)),
      turns_(client, layout.Sweep(), clock) {}

Duration Sweeper::Pause() const { return fruitful_ ? kQuickly : kSlowly; }

void Sweeper::Start() {
  if (!expire_) return;
  background_.Start(Pause(), [this] {
    fruitful_ = Look() > 0;
    return Pause();
  });
}

std::size_t Sweeper::Look() {
  const auto pause = [this](const std::string& last) { return last.empty() ? kRest : Pause(); };
  const auto taken = turns_.Take(pause, [this](const std::string& last) {
    return ReadPage(last.empty() ? "" : last.substr(1));
  });
  return taken.has_value() ? Reclaim() : 0;
}

std::optional<std::string> Sweeper::ReadPage(const std::string& after) {
  etcdserverpb::RangeRequest request;
  const std::string root = layout_.Done("");
  request.set_key(after.empty() ? root : layout_.Done(after) + '\0');
  request.set_range_end(KeyLayout::EndOf(root));
  request.set_limit(kPage);
  const auto found = client_.Range(request);
  if (!found.ok()) return std::nullopt;
  page_.clear();
  for (const auto& stored : found->kvs()) {
    page_.push_back({stored.key().substr(root.size()), DecodeValue(stored, /*live=*/false)});
  }
  return found->more() ? std::optional(kRead + page_.back().store_key)
                       : std::optional<std::string>("");
}

std::size_t Sweeper::Reclaim() {
  std::vector<Write> writes;
  for (Scanned& scanned : page_) {
    if (!scanned.loaded.record.has_value()) continue;
    const Expired expired = expire_(scanned.store_key, *scanned.loaded.record);
    if (expired == Expired::kNothing) continue;
    writes.push_back({.store_key = scanned.store_key,
                      .expected = scanned.loaded.revision,
                      .record = expired == Expired::kPart ? &*scanned.loaded.record : nullptr});
  }
  const bool done = !writes.empty() && store_.Commit(writes).ok();
  page_.clear();
  return done ? writes.size() : 0;
}

}  // namespace latchkey::storage
