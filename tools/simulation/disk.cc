#include "tools/simulation/disk.h"

#include <algorithm>
#include <cmath>

namespace latchkey::simulation {
namespace {

// Small, so that a run reserves often.
constexpr std::uint64_t kTokenBlock = 16;

absl::Status Failed() { return absl::UnavailableError("the simulated disk has failed"); }

}  // namespace

DiskStore::DiskStore(Disk& disk, WriteScript script, WriteListener listener)
    : disk_(disk),
      script_(std::move(script)),
      listener_(std::move(listener)),
      tokens_(disk.token_limit, kTokenBlock, [this](std::uint64_t limit) {
        return Write([this, limit](double durable) {
          if (durable > 0.5) disk_.token_limit = limit;
        });
      }) {}

// Fail-stop, as a real store has to: after one failure nothing becomes durable any more.
absl::Status DiskStore::Write(const std::function<void(double durable)>& apply) {
  if (failed_) return Failed();
  const WriteFate fate = script_();
  apply(fate.durable);
  failed_ = fate.end != WriteFate::End::kDone;
  return failed_ ? Failed() : absl::OkStatus();
}

absl::StatusOr<std::vector<storage::Loaded>> DiskStore::Load(std::span<const std::string> keys) {
  if (failed_) return Failed();
  return disk_.records.Load(keys);
}

absl::StatusOr<std::vector<storage::WriteResult>> DiskStore::Commit(
    std::span<const storage::Write> writes) {
  if (failed_) return Failed();
  const auto grants = static_cast<std::uint64_t>(std::ranges::count_if(
      writes, [](const storage::Write& write) { return write.assign_token; }));
  std::uint64_t token = 0;
  if (grants > 0) {
    auto first = tokens_.Take(grants);
    if (!first.ok()) return first.status();
    token = *first;
  }
  std::vector<storage::Record> granted;
  granted.reserve(grants);
  std::vector<storage::Write> complete(writes.begin(), writes.end());
  for (storage::Write& write : complete) {
    if (!write.assign_token) continue;
    granted.push_back(*write.record);
    granted.back().set_fencing_token(token++);
    write.record = &granted.back();
  }
  std::vector<storage::WriteResult> results;
  const absl::Status written = Write([&](double durable) {
    const double kept = std::floor(durable * static_cast<double>(complete.size()));
    Apply(std::span(complete).first(static_cast<std::size_t>(kept)), results);
  });
  if (!written.ok()) return written;
  return results;
}

void DiskStore::Apply(std::span<const storage::Write> writes,
                      std::vector<storage::WriteResult>& results) {
  std::vector<storage::Write> plain(writes.begin(), writes.end());
  for (storage::Write& write : plain) write.assign_token = false;
  results = *disk_.records.Commit(plain);
  for (std::size_t i = 0; i < writes.size(); ++i) {
    if (writes[i].assign_token) results[i].token = writes[i].record->fencing_token();
    listener_(writes[i].store_key, writes[i].record);
  }
}

absl::StatusOr<std::vector<storage::Scanned>> DiskStore::Scan(const storage::ScanRequest& request) {
  if (failed_) return Failed();
  return disk_.records.Scan(request);
}

absl::StatusOr<storage::StoreState> DiskStore::LoadState() {
  if (failed_) return Failed();
  return disk_.records.LoadState();
}

absl::Status DiskStore::SaveState(const storage::StoreState& state) {
  return Write([&](double durable) {
    if (durable > 0.5) (void)disk_.records.SaveState(state);
  });
}

std::optional<storage::RecordStore::Space> DiskStore::FreeSpace() {
  constexpr std::uint64_t kTotal = std::uint64_t{1} << 40;
  return Space{disk_.nearly_full ? 0 : kTotal / 2, kTotal};
}

void DiskStore::Compact(const storage::Expire& expire) {
  for (storage::Scanned& scanned : disk_.All()) {
    const storage::Expired expired = expire(scanned.store_key, *scanned.loaded.record);
    if (expired == storage::Expired::kNothing) continue;
    const storage::Record* kept =
        expired == storage::Expired::kAll ? nullptr : &*scanned.loaded.record;
    const storage::Write write{scanned.store_key, scanned.loaded.revision, kept};
    (void)disk_.records.Commit({&write, 1});
    listener_(scanned.store_key, kept);
  }
}

}  // namespace latchkey::simulation
