#include "storage/etcd/store_format.h"

#include <charconv>
#include <optional>
#include <utility>

namespace latchkey::storage {
namespace {

using etcdserverpb::Compare;
using etcdserverpb::RangeRequest;
using etcdserverpb::TxnRequest;

constexpr int kFormat = 1;
constexpr int kRaiseTriesMax = 100;

RangeRequest RangeOf(std::string key) {
  RangeRequest request;
  request.set_key(std::move(key));
  return request;
}

void Put(std::string key, std::string value, TxnRequest& txn) {
  auto& put = *txn.add_success()->mutable_request_put();
  put.set_key(std::move(key));
  put.set_value(std::move(value));
}

void CompareRevision(std::string key, std::int64_t revision, TxnRequest& txn) {
  auto& compare = *txn.add_compare();
  compare.set_key(std::move(key));
  compare.set_target(Compare::MOD);
  compare.set_mod_revision(revision);
}

absl::Status CheckFormat(const std::string& root, const std::string& format) {
  int version = 0;
  const char* const end = format.data() + format.size();
  const auto [stop, error] = std::from_chars(format.data(), end, version);
  if (error != std::errc() || stop != end || version < 1) {
    return absl::FailedPreconditionError("what etcd has under " + root +
                                         " was not written by latchkeyd; use another prefix");
  }
  if (version > kFormat) {
    return absl::FailedPreconditionError("what etcd has under " + root + " has format " + format +
                                         ", and this latchkeyd knows " + std::to_string(kFormat) +
                                         "; start the newer one that wrote it");
  }
  return absl::OkStatus();
}

absl::Status Make(EtcdClient& client, const KeyLayout& layout) {
  RangeRequest any = RangeOf(layout.root());
  any.set_range_end(KeyLayout::EndOf(layout.root()));
  any.set_limit(1);
  const auto found = client.Range(any);
  if (!found.ok()) return found.status();
  if (!found->kvs().empty() && found->kvs(0).key() != layout.Format() &&
      found->kvs(0).key() != layout.Floor()) {
    return CheckFormat(layout.root(), "");
  }
  TxnRequest txn;
  CompareRevision(layout.Format(), 0, txn);
  Put(layout.Format(), std::to_string(kFormat), txn);
  Put(layout.Floor(), EncodeFloor({}), txn);
  return client.Txn(txn).status();
}

}  // namespace

absl::StatusOr<TokenFloor> OpenFormat(EtcdClient& client, const KeyLayout& layout) {
  TxnRequest both;
  *both.add_success()->mutable_request_range() = RangeOf(layout.Format());
  *both.add_success()->mutable_request_range() = RangeOf(layout.Floor());
  for (const bool made : {false, true}) {
    const auto found = client.Read(both);
    if (!found.ok()) return found.status();
    const auto& format = found->responses(0).response_range();
    if (format.kvs().empty()) {
      if (made) break;
      if (absl::Status status = Make(client, layout); !status.ok()) return status;
      continue;
    }
    if (absl::Status known = CheckFormat(layout.root(), format.kvs(0).value()); !known.ok()) {
      return known;
    }
    const auto& floor = found->responses(1).response_range();
    const auto decoded = floor.kvs().empty() ? std::nullopt : DecodeFloor(floor.kvs(0).value());
    if (!decoded.has_value()) return CheckFormat(layout.root(), "");
    return *decoded;
  }
  return absl::UnavailableError("etcd does not keep what was written to it");
}

absl::StatusOr<TokenFloor> RaiseFloor(EtcdClient& client, const KeyLayout& layout, TokenFloor to) {
  for (int tries = 0; tries < kRaiseTriesMax; ++tries) {
    const auto found = client.Range(RangeOf(layout.Floor()));
    if (!found.ok()) return found.status();
    const auto stored = found->kvs().empty() ? std::nullopt : DecodeFloor(found->kvs(0).value());
    if (!stored.has_value()) return CheckFormat(layout.root(), "");
    if (stored->value >= to.value) return *stored;
    TxnRequest txn;
    CompareRevision(layout.Floor(), found->kvs(0).mod_revision(), txn);
    Put(layout.Floor(), EncodeFloor(to), txn);
    const auto written = client.Txn(txn);
    if (written.ok() && written->succeeded()) return to;
    // Another has raised it, or it is not known what became of this: it is read again.
    if (!written.ok() && !absl::IsUnavailable(written.status()) &&
        !absl::IsDeadlineExceeded(written.status())) {
      return written.status();
    }
  }
  return absl::UnavailableError("etcd's floor of tokens could not be raised");
}

absl::StatusOr<StoredState> LoadStoredState(EtcdClient& client, const KeyLayout& layout) {
  const auto found = client.Range(RangeOf(layout.State()));
  if (!found.ok()) return found.status();
  StoredState stored;
  if (found->kvs().empty()) return stored;
  stored.revision = found->kvs(0).mod_revision();
  if (!stored.state.ParseFromString(found->kvs(0).value())) {
    return absl::DataLossError("the state of the store in etcd cannot be decoded");
  }
  return stored;
}

absl::Status SaveStoredState(EtcdClient& client, const KeyLayout& layout, const StoreState& state) {
  const auto stored = LoadStoredState(client, layout);
  if (!stored.ok()) return stored.status();
  const absl::Status other = absl::AbortedError("another server has saved the store's state");
  if (stored->state.version() + 1 != state.version()) return other;
  TxnRequest txn;
  CompareRevision(layout.State(), stored->revision, txn);
  Put(layout.State(), state.SerializeAsString(), txn);
  const auto saved = client.Txn(txn);
  if (!saved.ok()) return saved.status();
  return saved->succeeded() ? absl::OkStatus() : other;
}

}  // namespace latchkey::storage
