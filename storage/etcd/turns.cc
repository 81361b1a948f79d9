#include "storage/etcd/turns.h"

namespace latchkey::storage {

std::optional<std::string> Turns::Take(const Pause& pause, const Next& next) {
  etcdserverpb::RangeRequest request;
  request.set_key(key_);
  const auto found = client_.Range(request);
  if (!found.ok()) return std::nullopt;
  const bool first = found->kvs().empty();
  const std::int64_t revision = first ? 0 : found->kvs(0).mod_revision();
  const std::string last = first ? "" : found->kvs(0).value();
  const MonotonicTime now = clock_.Monotonic();
  if (revision != seen_revision_) {
    seen_revision_ = revision;
    seen_at_ = now;
  }
  if (now - seen_at_ < pause(last)) return std::nullopt;
  const auto left = next(last);
  if (!left.has_value()) return std::nullopt;
  etcdserverpb::TxnRequest txn;
  auto& compare = *txn.add_compare();
  compare.set_key(key_);
  compare.set_target(etcdserverpb::Compare::MOD);
  compare.set_mod_revision(revision);
  auto& put = *txn.add_success()->mutable_request_put();
  put.set_key(key_);
  put.set_value(*left);
  const auto taken = client_.Txn(txn);
  if (!taken.ok() || !taken->succeeded()) return std::nullopt;
  seen_revision_ = taken->header().revision();
  seen_at_ = now;
  return last;
}

}  // namespace latchkey::storage
