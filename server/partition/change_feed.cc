#include "server/partition/change_feed.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "latchkey/v1/admin.pb.h"

namespace latchkey {
namespace {

// Changes looked at for one watcher at a time, so that a filter that few pass does not keep the
// partitions from publishing.
constexpr std::size_t kLookedAtMax = 1'000;
// Of one change in the feed, beside its response.
constexpr std::size_t kOverheadBytes = 256;

std::shared_ptr<v1::WatchRecordsResponse> Describe(const std::optional<storage::v1::Record>& record,
                                                   const Context& context) {
  auto response = std::make_shared<v1::WatchRecordsResponse>();
  storage::v1::Record absent;
  absent.set_state(v1::CheckResultResponse::ABSENT);
  DescribeRecord(record.has_value() ? *record : absent, context, response->mutable_record());
  LeaveOutLargePayload(*context.limits, response.get());
  return response;
}

}  // namespace

void LeaveOutLargePayload(const Limits& limits, v1::WatchRecordsResponse* response) {
  if (response->record().result().payload().size() <= limits.watched_payload_bytes) return;
  response->mutable_record()->mutable_result()->clear_payload();
  response->set_payload_left_out(true);
}

ChangeFeed::ChangeFeed(const Limits& limits, std::uint64_t first_revision)
    : limits_(limits), revision_(first_revision), known_(true), kept_after_(first_revision) {}

void ChangeFeed::Publish(const std::string& store_key,
                         const std::optional<storage::v1::Record>& record, const Context& context) {
  auto response = Describe(record, context);
  MutexLock lock(mutex_);
  if (watched_.load()) Keep(store_key, std::move(response), revision_ + 1);
}

void ChangeFeed::PublishTold(const std::string& store_key,
                             const std::optional<storage::v1::Record>& record,
                             const Context& context, std::uint64_t revision) {
  auto response = Describe(record, context);
  MutexLock lock(mutex_);
  if (watched_.load()) {
    Keep(store_key, std::move(response), revision);
  } else {
    revision_ = revision;
    Drop();
  }
}

void ChangeFeed::Keep(const std::string& store_key,
                      std::shared_ptr<v1::WatchRecordsResponse> response, std::uint64_t revision) {
  const std::size_t bytes = response->ByteSizeLong() + store_key.size() + kOverheadBytes;
  response->set_revision(revision);
  revision_ = revision;
  changes_.push_back({store_key, std::move(response), bytes});
  bytes_ += bytes;
  while (changes_.size() > limits_.watched_changes || bytes_ > limits_.watched_bytes) {
    bytes_ -= changes_.front().bytes;
    kept_after_ = changes_.front().response->revision();
    changes_.pop_front();
  }
}

void ChangeFeed::Drop() {
  kept_after_ = revision_;
  changes_.clear();
  bytes_ = 0;
}

void ChangeFeed::Begin(std::uint64_t after) {
  MutexLock lock(mutex_);
  if (told_by_store_) {
    // Of several who come at once, the one who was told least.
    if (!watched_.load()) begin_after_ = after;
    if (!known_ && after != 0) {
      begin_after_ = begin_after_ == 0 ? after : std::min(begin_after_, after);
    }
    watched_.store(true);
    return;
  }
  if (watched_.load()) return;
  kept_after_ = ++revision_;  // stands for all that was not kept
  watched_.store(true);
}

void ChangeFeed::End() {
  MutexLock lock(mutex_);
  watched_.store(false);
  Drop();
}

std::uint64_t ChangeFeed::revision() const {
  MutexLock lock(mutex_);
  return revision_;
}

bool ChangeFeed::known() const {
  MutexLock lock(mutex_);
  return known_;
}

std::uint64_t ChangeFeed::begin_after() const {
  MutexLock lock(mutex_);
  return begin_after_;
}

void ChangeFeed::Restart(std::uint64_t revision) {
  MutexLock lock(mutex_);
  revision_ = revision;
  known_ = true;
  Drop();
}

void ChangeFeed::Advance(std::uint64_t revision) {
  MutexLock lock(mutex_);
  revision_ = std::max(revision_, revision);
  if (!watched_.load()) Drop();
}

void ChangeFeed::Forget() {
  MutexLock lock(mutex_);
  known_ = false;
  Drop();
}

ChangeFeed::Next ChangeFeed::After(std::uint64_t revision, std::string_view prefix) const {
  MutexLock lock(mutex_);
  Next next;
  next.revision = revision_;
  if (revision > revision_ || revision < kept_after_) {
    next.missed = true;
    next.ahead = told_by_store_ && revision > revision_;
    return next;
  }
  auto place = std::ranges::upper_bound(
      changes_, revision, {}, [](const Change& change) { return change.response->revision(); });
  for (std::size_t looked_at = 0; place != changes_.end(); ++place, ++looked_at) {
    if (looked_at == kLookedAtMax) {
      next.revision = std::prev(place)->response->revision();
      next.more = true;
      return next;
    }
    if (!place->store_key.starts_with(prefix)) continue;
    next.change = place->response;
    next.revision = next.change->revision();
    next.more = true;
    return next;
  }
  return next;
}

}  // namespace latchkey
