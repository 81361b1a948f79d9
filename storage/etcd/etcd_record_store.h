// A RecordStore over an etcd cluster, which any number of servers share. See docs/adr/0019.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "storage/etcd/compactor.h"
#include "storage/etcd/etcd_client.h"
#include "storage/etcd/key_layout.h"
#include "storage/etcd/record_txn.h"
#include "storage/etcd/sweeper.h"
#include "storage/record_store.h"

namespace latchkey::storage {

// Thread-safe.
class EtcdRecordStore final : public RecordStore {
 public:
  // Makes the deployment if there is nothing under its prefix. FAILED_PRECONDITION if what is there
  // was not written by Latchkey, or by a newer one; UNAVAILABLE if etcd cannot be reached.
  // `expire` says what may be reclaimed, from then on; empty: nothing is.
  static absl::StatusOr<std::unique_ptr<EtcdRecordStore>> Open(EtcdOptions options, Clock& clock,
                                                               Expire expire = {});

  // With nothing in the background. FAILED_PRECONDITION also where there is none.
  static absl::StatusOr<std::unique_ptr<EtcdRecordStore>> OpenExisting(EtcdOptions options,
                                                                       Clock& clock);
  // To be filled, and of no use to anybody until FinishFilling. FAILED_PRECONDITION if there is
  // something under its prefix.
  static absl::StatusOr<std::unique_ptr<EtcdRecordStore>> OpenNew(EtcdOptions options,
                                                                  Clock& clock);
  absl::Status FinishFilling();

  absl::StatusOr<std::vector<Loaded>> Load(std::span<const std::string> store_keys) override;
  absl::StatusOr<std::vector<WriteResult>> Commit(std::span<const Write> writes) override;
  absl::StatusOr<std::vector<Scanned>> Scan(const ScanRequest& request) override;
  absl::StatusOr<StoreState> LoadState() override;
  absl::Status SaveState(const StoreState& state) override;
  std::uint64_t HighestToken() override;
  absl::Status RaiseTokens(std::uint64_t to) override;
  bool exclusive() const override { return false; }
  std::unique_ptr<LiveWatch> WatchLive(std::function<void(LiveChanges)> hear) override;
  std::unique_ptr<ChangeWatch> WatchChanges(std::uint64_t after,
                                            std::function<void(RecordChanges)> hear) override;
  // Of etcd's database, up to its quota.
  std::optional<Space> FreeSpace() override;
  absl::Status Close() override { return absl::OkStatus(); }

 private:
  struct Batch;
  EtcdRecordStore(EtcdOptions options, Clock& clock, Expire expire);

  std::vector<WriteResult> Check(std::span<const Write> writes);
  std::vector<Batch> Pack(std::span<const Write> writes, const std::vector<std::size_t>& places);
  // What is to be tried again: together, as it failed only for the floor; or each by itself.
  struct Again {
    std::vector<std::size_t> together = {};
    std::vector<std::size_t> alone = {};
  };
  Again Send(std::span<const Write> writes, const std::vector<Batch>& batches,
             std::vector<WriteResult>& results);
  void Read(std::span<const Write> writes, const Batch& batch,
            const etcdserverpb::TxnResponse& response, std::vector<WriteResult>& results,
            Again& again);
  absl::Status Latched();
  void LatchIfChanged(const absl::Status& status);
  TokenFloor floor();
  void RaiseKnownFloor(TokenFloor to);

  EtcdClient client_;
  const KeyLayout layout_;
  Compactor compactor_;

  Mutex mutex_;
  TokenFloor floor_ GUARDED_BY(mutex_);
  // etcd is not what it was.
  absl::Status latched_ GUARDED_BY(mutex_);
  // Uses all of the above.
  Sweeper sweeper_;
};

}  // namespace latchkey::storage
