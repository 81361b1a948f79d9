#include "server/partition/partitions.h"

#include <functional>

#include "server/partition/live_counts.h"
#include "server/partition/refusals.h"
#include "storage/store_key.h"

namespace latchkey {
namespace {

constexpr std::size_t kScanPage = 1'000;

}  // namespace

Partitions::Partitions(PartitionEnvironment environment, std::size_t count)
    : environment_(environment), census_(*environment.live_counts, *environment.meter) {
  environment_.waiters = &waiters_;
  for (std::size_t i = 0; i < count; ++i) {
    threads_.push_back(std::make_unique<PartitionThread>(environment_));
  }
}

absl::Status Partitions::Start() {
  const bool exclusive = environment_.store->exclusive();
  if (exclusive) {
    if (absl::Status adopted = Adopt(); !adopted.ok()) return adopted;
  }
  for (auto& thread : threads_) thread->Start();
  if (!exclusive) {
    watch_ =
        environment_.store->WatchLive([this](storage::LiveChanges told) { Tell(std::move(told)); });
  }
  return absl::OkStatus();
}

void Partitions::Tell(storage::LiveChanges told) {
  census_.Hear(told);
  listing_ = listing_ || told.begins;
  std::vector<storage::LiveChanges> parts(threads_.size());
  for (storage::LiveChange& change : told.changes) {
    parts[PlaceOf(change.store_key)].changes.push_back(std::move(change));
  }
  for (std::size_t i = 0; i < threads_.size(); ++i) {
    parts[i].begins = told.begins;
    parts[i].complete = told.complete;
    if (listing_ || !parts[i].changes.empty()) threads_[i]->Post(std::move(parts[i]));
  }
  listing_ = listing_ && !told.complete;
}

absl::Status Partitions::StartStepped() {
  if (absl::Status adopted = Adopt(); !adopted.ok()) return adopted;
  for (auto& thread : threads_) thread->StartStepped();
  return absl::OkStatus();
}

absl::Status Partitions::Adopt() {
  storage::ScanRequest request{.prefix = {}, .after = {}, .limit = kScanPage, .live_only = true};
  while (true) {
    auto page = environment_.store->Scan(request);
    if (!page.ok()) return page.status();
    for (storage::Scanned& scanned : *page) {
      // A corrupt record is found again, and refused, when somebody asks for its key.
      if (!scanned.loaded.record.has_value()) continue;
      const auto name_space = storage::SplitStoreKey(scanned.store_key).name_space;
      const bool held = scanned.loaded.record->state() == v1::CheckResultResponse::HELD;
      environment_.live_counts->Add(name_space, held ? 1 : 0, held ? 0 : 1);
      if (!held) {
        environment_.meter->OnDoubt(name_space, scanned.loaded.record->state_since_nanos(), true);
        continue;
      }
      For(scanned.store_key).partition().Adopt(scanned.store_key, std::move(scanned.loaded));
    }
    if (page->size() < kScanPage) return absl::OkStatus();
    request.after = page->back().store_key;
  }
}

void Partitions::Submit(Call& call) {
  Call* const calls[] = {&call};
  if (auto refused = For(call.store_key).Submit(calls)) call.Finish(std::move(refused->refusal));
}

void Partitions::Submit(std::span<Call* const> calls) {
  std::vector<std::vector<Call*>> by_partition(threads_.size());
  for (Call* call : calls) by_partition[PlaceOf(call->store_key)].push_back(call);
  for (std::size_t i = 0; i < threads_.size(); ++i) {
    const std::span<Call* const> part = by_partition[i];
    const auto refused = part.empty() ? std::nullopt : threads_[i]->Submit(part);
    if (!refused.has_value()) continue;
    for (Call* call : part.subspan(refused->taken)) call->Finish(refused->refusal);
  }
}

void Partitions::Cancel(const std::string& store_key, const Call* call, std::uint64_t serial) {
  For(store_key).Post(CancelWait{store_key, call, serial});
}

void Partitions::TakeBack(UnsentGrant unsent) {
  PartitionThread& thread = For(unsent.store_key);
  thread.Post(std::move(unsent));
}

void Partitions::ServeAbsentKeys() {
  for (auto& thread : threads_) thread->Post(latchkey::ServeAbsentKeys{});
}

void Partitions::EndAllWaits() {
  for (auto& thread : threads_) thread->Post(EndWaits{});
}

std::vector<std::size_t> Partitions::queue_lengths() const {
  std::vector<std::size_t> lengths;
  for (const auto& thread : threads_) lengths.push_back(thread->queue_length());
  return lengths;
}

void Partitions::Stop() {
  watch_.reset();
  for (auto& thread : threads_) thread->Stop();
}

std::size_t Partitions::PlaceOf(std::string_view store_key) const {
  // Not absl::Hash, which is another one in every process: a run could not be repeated.
  return std::hash<std::string_view>()(store_key) % threads_.size();
}

}  // namespace latchkey
