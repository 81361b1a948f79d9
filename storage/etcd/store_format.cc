#include "storage/etcd/store_format.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "storage/restored_state.h"

namespace latchkey::storage {
namespace {

using etcdserverpb::Compare;
using etcdserverpb::RangeRequest;
using etcdserverpb::TxnRequest;

constexpr int kFormat = 1;
constexpr char kBeingFilled[] = "0";
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

void CompareValue(std::string key, std::string value, TxnRequest& txn) {
  auto& compare = *txn.add_compare();
  compare.set_key(std::move(key));
  compare.set_target(Compare::VALUE);
  compare.set_value(std::move(value));
}

absl::Status CheckFormat(const std::string& root, const std::string& format) {
  if (format == kBeingFilled) {
    return absl::FailedPreconditionError("what etcd has under " + root +
                                         " was not imported to its end; if no import is running, "
                                         "delete it (etcdctl del --prefix " +
                                         root + ") and import again");
  }
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

struct Description {
  std::string format;  // empty: there is none
  std::uint64_t cluster = 0;
  std::uint64_t this_cluster = 0;
  std::optional<TokenFloor> floor;
  std::int64_t floor_revision = 0;
};

absl::StatusOr<Description> Describe(EtcdClient& client, const KeyLayout& layout) {
  TxnRequest all;
  for (std::string key : {layout.Format(), layout.Floor(), layout.Cluster()}) {
    *all.add_success()->mutable_request_range() = RangeOf(std::move(key));
  }
  const auto found = client.Read(all);
  if (!found.ok()) return found.status();
  const auto stored = [&](int place) -> const etcdserverpb::KeyValue* {
    const auto& range = found->responses(place).response_range();
    return range.kvs().empty() ? nullptr : &range.kvs(0);
  };
  Description description;
  description.this_cluster = found->header().cluster_id();
  if (const auto* format = stored(0)) description.format = format->value();
  if (const auto* floor = stored(1)) {
    description.floor = DecodeFloor(floor->value());
    description.floor_revision = floor->mod_revision();
  }
  if (const auto* cluster = stored(2)) {
    (void)absl::SimpleAtoi(cluster->value(), &description.cluster);
  }
  return description;
}

absl::Status CheckDescription(const KeyLayout& layout, const Description& description) {
  if (description.format.empty()) {
    return absl::FailedPreconditionError("there is no Latchkey store under " + layout.root() +
                                         " in etcd");
  }
  absl::Status known = CheckFormat(layout.root(), description.format);
  if (known.ok() && !description.floor.has_value()) known = CheckFormat(layout.root(), "");
  return known;
}

void PutNew(const KeyLayout& layout, std::string format, std::uint64_t cluster, TxnRequest& txn) {
  CompareRevision(layout.Format(), 0, txn);
  Put(layout.Format(), std::move(format), txn);
  Put(layout.Floor(), EncodeFloor({}), txn);
  Put(layout.Cluster(), std::to_string(cluster), txn);
}

absl::StatusOr<etcdserverpb::RangeResponse> FirstKey(EtcdClient& client, const KeyLayout& layout) {
  RangeRequest any = RangeOf(layout.root());
  any.set_range_end(KeyLayout::EndOf(layout.root()));
  any.set_limit(1);
  return client.Range(any);
}

// Servers that start together may find what another is making.
absl::Status Make(EtcdClient& client, const KeyLayout& layout) {
  const auto found = FirstKey(client, layout);
  if (!found.ok()) return found.status();
  if (!found->kvs().empty()) {
    const std::string& first = found->kvs(0).key();
    const bool ours =
        first == layout.Format() || first == layout.Floor() || first == layout.Cluster();
    if (!ours) return CheckFormat(layout.root(), "");
  }
  TxnRequest txn;
  PutNew(layout, std::to_string(kFormat), found->header().cluster_id(), txn);
  return client.Txn(txn).status();
}

}  // namespace

absl::StatusOr<TokenFloor> ReadFormat(EtcdClient& client, const KeyLayout& layout) {
  const auto found = Describe(client, layout);
  if (!found.ok()) return found.status();
  if (absl::Status known = CheckDescription(layout, *found); !known.ok()) return known;
  if (found->cluster == found->this_cluster) return *found->floor;
  return absl::FailedPreconditionError(
      "this etcd cluster is not the one that the store under " + layout.root() +
      " was made in: it was restored from a snapshot, or is a copy. Stop every latchkeyd, and "
      "run latchkey etcd-restored");
}

absl::StatusOr<TokenFloor> OpenFormat(EtcdClient& client, const KeyLayout& layout) {
  const auto found = Describe(client, layout);
  if (!found.ok()) return found.status();
  if (found->format.empty()) {
    if (absl::Status made = Make(client, layout); !made.ok()) return made;
  }
  return ReadFormat(client, layout);
}

absl::Status BeginFilling(EtcdClient& client, const KeyLayout& layout) {
  const auto found = FirstKey(client, layout);
  if (!found.ok()) return found.status();
  const absl::Status used = absl::FailedPreconditionError(
      "etcd has something under " + layout.root() +
      " already: an import fills a new store, and adds to none; name another prefix");
  if (!found->kvs().empty()) return used;
  TxnRequest txn;
  PutNew(layout, kBeingFilled, found->header().cluster_id(), txn);
  const auto made = client.Txn(txn);
  if (!made.ok()) return made.status();
  return made->succeeded() ? absl::OkStatus() : used;
}

absl::Status FinishFilling(EtcdClient& client, const KeyLayout& layout) {
  TxnRequest txn;
  CompareValue(layout.Format(), kBeingFilled, txn);
  Put(layout.Format(), std::to_string(kFormat), txn);
  const auto finished = client.Txn(txn);
  if (!finished.ok()) return finished.status();
  return finished->succeeded()
             ? absl::OkStatus()
             : absl::AbortedError("somebody has changed " + layout.root() + " in etcd meanwhile");
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

absl::StatusOr<RestoredSnapshot> MarkAsRestored(EtcdClient& client, const KeyLayout& layout,
                                                WallTime now, std::uint64_t token_floor) {
  const auto found = Describe(client, layout);
  if (!found.ok()) return found.status();
  if (absl::Status known = CheckDescription(layout, *found); !known.ok()) return known;
  auto stored = LoadStoredState(client, layout);
  if (!stored.ok()) return stored.status();
  StoreState& state = stored->state;
  // The last that is known of when the snapshot was made; so it was made then or later.
  const WallTime saved_at = WallTimeFromNanos(state.retention_clock_nanos());
  if (now < saved_at) {
    return absl::FailedPreconditionError(
        "the snapshot was made later than this machine's clock says it is: set the clock right "
        "first, tokens and the doubt of the restore depend on it");
  }
  RestoredSnapshot restored;
  restored.token_before = TokenAt(*found->floor, client.revision(), kPlacesMax);
  restored.token_now =
      std::max(TokenAfterRestore(restored.token_before, saved_at, now), token_floor);
  OpenRestoreDoubt(now, restored.token_now, state);
  state.set_version(state.version() + 1);
  TxnRequest txn;
  CompareRevision(layout.Floor(), found->floor_revision, txn);
  CompareRevision(layout.State(), stored->revision, txn);
  Put(layout.Floor(), EncodeFloor({restored.token_now}), txn);
  Put(layout.State(), state.SerializeAsString(), txn);
  Put(layout.Cluster(), std::to_string(found->this_cluster), txn);
  const auto marked = client.Txn(txn);
  if (!marked.ok()) return marked.status();
  if (marked->succeeded()) return restored;
  return absl::AbortedError("somebody else writes to " + layout.root() +
                            " in etcd: stop every latchkeyd first");
}

}  // namespace latchkey::storage
