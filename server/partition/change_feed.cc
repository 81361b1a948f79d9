#include "server/partition/change_feed.h"

#include "latchkey/v1/admin.pb.h"

namespace latchkey {
namespace {

// Changes looked at for one watcher at a time, so that a filter that few pass does not keep the
// partitions from publishing.
constexpr std::size_t kLookedAtMax = 1'000;
// Of one change in the feed, beside its response.
constexpr std::size_t kOverheadBytes = 256;

}  // namespace

void LeaveOutLargePayload(const Limits& limits, v1::WatchRecordsResponse* response) {
  if (response->record().result().payload().size() <= limits.watched_payload_bytes) return;
  response->mutable_record()->mutable_result()->clear_payload();
  response->set_payload_left_out(true);
}

ChangeFeed::ChangeFeed(const Limits& limits, std::uint64_t first_revision)
    : limits_(limits), revision_(first_revision) {}

void ChangeFeed::Publish(const std::string& store_key,
                         const std::optional<storage::v1::Record>& record, const Context& context) {
  auto response = std::make_shared<v1::WatchRecordsResponse>();
  storage::v1::Record absent;
  absent.set_state(v1::CheckResultResponse::ABSENT);
  DescribeRecord(record.has_value() ? *record : absent, context, response->mutable_record());
  LeaveOutLargePayload(limits_, response.get());
  const std::size_t bytes = response->ByteSizeLong() + store_key.size() + kOverheadBytes;

  MutexLock lock(mutex_);
  if (!watched_.load()) return;
  response->set_revision(++revision_);
  changes_.push_back({store_key, std::move(response), bytes});
  bytes_ += bytes;
  while (changes_.size() > limits_.watched_changes || bytes_ > limits_.watched_bytes) {
    bytes_ -= changes_.front().bytes;
    changes_.pop_front();
  }
}

void ChangeFeed::Begin() {
  MutexLock lock(mutex_);
  if (watched_.load()) return;
  ++revision_;  // stands for all that was not kept
  watched_.store(true);
}

void ChangeFeed::End() {
  MutexLock lock(mutex_);
  watched_.store(false);
  changes_.clear();
  bytes_ = 0;
}

std::uint64_t ChangeFeed::revision() const {
  MutexLock lock(mutex_);
  return revision_;
}

ChangeFeed::Next ChangeFeed::After(std::uint64_t revision, std::string_view prefix) const {
  MutexLock lock(mutex_);
  Next next;
  next.revision = revision_;
  if (revision > revision_ || revision < revision_ - changes_.size()) {
    next.missed = true;
    return next;
  }
  std::size_t place = changes_.size() - (revision_ - revision);
  for (std::size_t looked_at = 0; place < changes_.size(); ++place, ++looked_at) {
    if (looked_at == kLookedAtMax) {
      next.revision = revision + looked_at;
      next.more = true;
      return next;
    }
    if (!changes_[place].store_key.starts_with(prefix)) continue;
    next.change = changes_[place].response;
    next.revision = next.change->revision();
    next.more = true;
    return next;
  }
  return next;
}

}  // namespace latchkey
