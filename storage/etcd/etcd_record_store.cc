#include "storage/etcd/etcd_record_store.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "storage/etcd/change_watch.h"
#include "storage/etcd/live_watch.h"
#include "storage/etcd/store_format.h"

namespace latchkey::storage {
namespace {

using etcdserverpb::TxnRequest;
using etcdserverpb::TxnResponse;

// Two reads a record, within etcd's 128 operations.
constexpr std::size_t kLoadsPerTxn = 60;
// A write is tried so often when the floor of tokens is raised meanwhile.
constexpr int kTriesMax = 4;

// etcd has refused the whole transaction, and done nothing. One of several records may be the
// reason, so each is tried by itself.
bool IsRefused(const absl::Status& status) {
  return absl::IsInvalidArgument(status) || absl::IsResourceExhausted(status);
}

}  // namespace

// Writes that travel together, by their places among all.
struct EtcdRecordStore::Batch {
  RecordTxn txn;
  std::vector<std::size_t> places = {};
};

EtcdRecordStore::EtcdRecordStore(EtcdOptions options, Clock& clock, Expire expire)
    : client_(std::move(options), clock),
      layout_(client_.options().prefix),
      compactor_(client_, layout_, clock),
      sweeper_(client_, layout_, clock, *this, std::move(expire)) {}

absl::StatusOr<std::unique_ptr<EtcdRecordStore>> EtcdRecordStore::Open(EtcdOptions options,
                                                                       Clock& clock,
                                                                       Expire expire) {
  std::unique_ptr<EtcdRecordStore> store(
      new EtcdRecordStore(std::move(options), clock, std::move(expire)));
  const auto floor = OpenFormat(store->client_, store->layout_);
  if (!floor.ok()) return floor.status();
  store->RaiseKnownFloor(*floor);
  store->compactor_.Start();
  store->sweeper_.Start();
  return store;
}

absl::StatusOr<std::unique_ptr<EtcdRecordStore>> EtcdRecordStore::OpenExisting(EtcdOptions options,
                                                                               Clock& clock) {
  std::unique_ptr<EtcdRecordStore> store(new EtcdRecordStore(std::move(options), clock, {}));
  const auto floor = ReadFormat(store->client_, store->layout_);
  if (!floor.ok()) return floor.status();
  store->RaiseKnownFloor(*floor);
  return store;
}

absl::StatusOr<std::unique_ptr<EtcdRecordStore>> EtcdRecordStore::OpenNew(EtcdOptions options,
                                                                          Clock& clock) {
  std::unique_ptr<EtcdRecordStore> store(new EtcdRecordStore(std::move(options), clock, {}));
  const absl::Status begun = BeginFilling(store->client_, store->layout_);
  if (!begun.ok()) return begun;
  return store;
}

absl::Status EtcdRecordStore::FinishFilling() { return storage::FinishFilling(client_, layout_); }

TokenFloor EtcdRecordStore::floor() {
  MutexLock lock(mutex_);
  return floor_;
}

void EtcdRecordStore::RaiseKnownFloor(TokenFloor to) {
  MutexLock lock(mutex_);
  floor_.value = std::max(floor_.value, to.value);
}

absl::Status EtcdRecordStore::Latched() {
  MutexLock lock(mutex_);
  return latched_;
}

void EtcdRecordStore::LatchIfChanged(const absl::Status& status) {
  if (!absl::IsFailedPrecondition(status)) return;
  MutexLock lock(mutex_);
  latched_ = status;
}

absl::StatusOr<std::vector<Loaded>> EtcdRecordStore::Load(std::span<const std::string> store_keys) {
  if (absl::Status latched = Latched(); !latched.ok()) return latched;
  std::vector<Loaded> loaded;
  loaded.reserve(store_keys.size());
  std::vector<TxnRequest> requests;
  for (std::size_t i = 0; i < store_keys.size(); ++i) {
    if (i % kLoadsPerTxn == 0) {
      requests.emplace_back().add_success()->mutable_request_range()->set_key(layout_.Floor());
    }
    AddReads(layout_, store_keys[i], requests.back().mutable_success());
  }
  auto answers = client_.Txn(requests);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (!answers[i].ok()) answers[i] = client_.Read(requests[i]);
    LatchIfChanged(answers[i].status());
    if (!answers[i].ok()) return answers[i].status();
    const TxnResponse& response = *answers[i];
    const auto& floor = response.responses(0).response_range();
    if (!floor.kvs().empty()) {
      RaiseKnownFloor(DecodeFloor(floor.kvs(0).value()).value_or(TokenFloor()));
    }
    for (int at = 1; at + 1 < response.responses_size(); at += 2) {
      loaded.push_back(LoadedFrom(response.responses(at), response.responses(at + 1)));
    }
  }
  return loaded;
}

// Where nothing is to be written, reading is all that it takes, and costs etcd no entry of its log.
std::vector<WriteResult> EtcdRecordStore::Check(std::span<const Write> writes) {
  std::vector<WriteResult> results(writes.size());
  std::vector<std::string> keys;
  for (const Write& write : writes) keys.push_back(write.store_key);
  auto loaded = Load(keys);
  if (!loaded.ok()) return results;
  for (std::size_t i = 0; i < writes.size(); ++i) {
    const bool same = (*loaded)[i].revision == writes[i].expected;
    results[i].outcome = same ? WriteResult::Outcome::kCommitted : WriteResult::Outcome::kConflict;
    results[i].revision = writes[i].expected;
    if (!same) results[i].current = std::move((*loaded)[i]);
  }
  return results;
}

absl::StatusOr<std::vector<WriteResult>> EtcdRecordStore::Commit(std::span<const Write> writes) {
  if (absl::Status latched = Latched(); !latched.ok()) return latched;
  if (std::ranges::all_of(writes, &Write::check_only)) return Check(writes);
  std::vector<WriteResult> results(writes.size());
  std::vector<std::size_t> places(writes.size());
  std::iota(places.begin(), places.end(), std::size_t{0});
  std::vector<Batch> batches = Pack(writes, places);
  for (int tries = 0; !batches.empty() && tries < kTriesMax; ++tries) {
    const Again again = Send(writes, batches, results);
    batches = Pack(writes, again.together);
    for (const std::size_t place : again.alone) {
      batches.push_back(std::move(Pack(writes, {place}).front()));
    }
  }
  if (absl::Status latched = Latched(); !latched.ok()) return latched;
  return results;
}

std::vector<EtcdRecordStore::Batch> EtcdRecordStore::Pack(std::span<const Write> writes,
                                                          const std::vector<std::size_t>& places) {
  const TokenFloor counted_from = floor();
  std::vector<Batch> batches;
  for (const std::size_t place : places) {
    if (batches.empty() || !batches.back().txn.Add(writes[place])) {
      batches.push_back({.txn = RecordTxn(layout_, counted_from)});
      (void)batches.back().txn.Add(writes[place]);
    }
    batches.back().places.push_back(place);
  }
  return batches;
}

EtcdRecordStore::Again EtcdRecordStore::Send(std::span<const Write> writes,
                                             const std::vector<Batch>& batches,
                                             std::vector<WriteResult>& results) {
  std::vector<TxnRequest> requests;
  requests.reserve(batches.size());
  for (const Batch& batch : batches) requests.push_back(batch.txn.request());
  const auto answers = client_.Txn(requests);
  Again again;
  for (std::size_t i = 0; i < batches.size(); ++i) {
    LatchIfChanged(answers[i].status());
    if (answers[i].ok()) {
      Read(writes, batches[i], *answers[i], results, again);
    } else if (IsRefused(answers[i].status())) {
      const bool alone = batches[i].places.size() == 1;
      for (const std::size_t place : batches[i].places) {
        results[place].outcome = WriteResult::Outcome::kRefused;
        if (!alone) again.alone.push_back(place);
      }
    }
  }
  return again;
}

void EtcdRecordStore::Read(std::span<const Write> writes, const Batch& batch,
                           const TxnResponse& response, std::vector<WriteResult>& results,
                           Again& again) {
  for (std::size_t i = 0; i < batch.places.size(); ++i) {
    const std::size_t place = batch.places[i];
    results[place] = batch.txn.Read(writes[place], response, i);
    const bool record_is_the_same = results[place].outcome == WriteResult::Outcome::kConflict &&
                                    results[place].current.revision == writes[place].expected;
    if (!record_is_the_same) continue;
    // It was the floor that failed the condition.
    RaiseKnownFloor(RecordTxn::OtherFloor(response, i).value_or(TokenFloor()));
    results[place] = {.outcome = WriteResult::Outcome::kRefused, .current = {}};
    again.together.push_back(place);
  }
}

absl::StatusOr<std::vector<Scanned>> EtcdRecordStore::Scan(const ScanRequest& request) {
  if (request.limit == 0) return std::vector<Scanned>();
  TxnRequest txn;
  const std::size_t roots[] = {layout_.Live("").size(), layout_.Done("").size()};
  for (const bool live : {true, false}) {
    if (!live && request.live_only) continue;
    const auto place = [&](const std::string& store_key) {
      return live ? layout_.Live(store_key) : layout_.Done(store_key);
    };
    auto& range = *txn.add_success()->mutable_request_range();
    range.set_key(request.after < request.prefix ? place(request.prefix)
                                                 : place(request.after) + '\0');
    if (request.after.empty()) range.set_key(place(request.prefix));
    range.set_range_end(KeyLayout::EndOf(place(request.prefix)));
    range.set_limit(static_cast<std::int64_t>(request.limit));
  }
  for (const auto& step : txn.success()) {
    // etcd refuses a range that ends before it begins.
    if (step.request_range().key() >= step.request_range().range_end()) {
      return std::vector<Scanned>();
    }
  }
  const auto response = client_.Read(txn);
  LatchIfChanged(response.status());
  if (!response.ok()) return response.status();
  std::vector<Scanned> found;
  for (int part = 0; part < response->responses_size(); ++part) {
    for (const auto& stored : response->responses(part).response_range().kvs()) {
      found.push_back({stored.key().substr(roots[part]), DecodeValue(stored, part == 0)});
    }
  }
  std::ranges::sort(found, {}, &Scanned::store_key);
  if (found.size() > request.limit) found.resize(request.limit);
  return found;
}

absl::StatusOr<StoreState> EtcdRecordStore::LoadState() {
  if (absl::Status latched = Latched(); !latched.ok()) return latched;
  const auto stored = LoadStoredState(client_, layout_);
  LatchIfChanged(stored.status());
  if (!stored.ok()) return stored.status();
  return stored->state;
}

absl::Status EtcdRecordStore::SaveState(const StoreState& state) {
  if (absl::Status latched = Latched(); !latched.ok()) return latched;
  absl::Status saved = SaveStoredState(client_, layout_, state);
  LatchIfChanged(saved);
  return saved;
}

std::uint64_t EtcdRecordStore::HighestToken() {
  return TokenAt(floor(), client_.revision(), kPlacesMax);
}

absl::Status EtcdRecordStore::RaiseTokens(std::uint64_t to) {
  const auto raised = RaiseFloor(client_, layout_, {to});
  if (!raised.ok()) return raised.status();
  RaiseKnownFloor(*raised);
  return absl::OkStatus();
}

std::unique_ptr<LiveWatch> EtcdRecordStore::WatchLive(std::function<void(LiveChanges)> hear) {
  return std::make_unique<EtcdLiveWatch>(client_, layout_, std::move(hear));
}

std::unique_ptr<ChangeWatch> EtcdRecordStore::WatchChanges(
    std::uint64_t after, std::function<void(RecordChanges)> hear) {
  return std::make_unique<EtcdChangeWatch>(client_, layout_, after, std::move(hear));
}

// The file keeps its size when records go, and etcd judges by the file; `etcdctl defrag` makes it
// smaller.
std::optional<RecordStore::Space> EtcdRecordStore::FreeSpace() {
  const auto status = client_.MemberStatus();
  if (!status.ok()) return std::nullopt;
  const std::uint64_t quota = client_.options().quota_bytes;
  const auto used = static_cast<std::uint64_t>(std::max<std::int64_t>(status->dbsize(), 0));
  return Space{.free_bytes = quota > used ? quota - used : 0, .total_bytes = quota};
}

}  // namespace latchkey::storage
