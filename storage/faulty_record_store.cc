#include "storage/faulty_record_store.h"

namespace latchkey::storage {
namespace {

absl::Status Failure() { return absl::UnavailableError("store failed: an injected fault"); }

}  // namespace

template <typename Call>
auto FaultyRecordStore::Run(StoreCall::Kind kind, std::span<const Write> writes, Call call)
    -> decltype(call()) {
  if (failed_.load()) return Failure();
  const Fault fault = script_({.kind = kind, .number = ++calls_, .writes = writes});
  if (fault == Fault::kNone) return call();
  if (exclusive()) failed_.store(true);
  if (fault == Fault::kFailAfter) (void)call();
  return Failure();
}

absl::StatusOr<std::vector<Loaded>> FaultyRecordStore::Load(
    std::span<const std::string> store_keys) {
  return Run(StoreCall::Kind::kLoad, {}, [&] { return store_.Load(store_keys); });
}

absl::StatusOr<std::vector<WriteResult>> FaultyRecordStore::Commit(std::span<const Write> writes) {
  bool reached = false;
  auto results = Run(StoreCall::Kind::kCommit, writes, [&] {
    reached = true;
    return store_.Commit(writes);
  });
  if (results.ok() || exclusive() || !reached) return results;
  return std::vector<WriteResult>(writes.size());  // each of them unknown
}

absl::StatusOr<std::vector<Scanned>> FaultyRecordStore::Scan(const ScanRequest& request) {
  return Run(StoreCall::Kind::kScan, {}, [&] { return store_.Scan(request); });
}

absl::StatusOr<StoreState> FaultyRecordStore::LoadState() {
  return Run(StoreCall::Kind::kLoadState, {}, [&] { return store_.LoadState(); });
}

absl::Status FaultyRecordStore::SaveState(const StoreState& state) {
  return Run(StoreCall::Kind::kSaveState, {}, [&] { return store_.SaveState(state); });
}

}  // namespace latchkey::storage
