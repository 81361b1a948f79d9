// The suite over the stores of one process.
#include "tests/storage/record_store_suite.h"

#include "storage/faulty_record_store.h"
#include "storage/memory_record_store.h"
#include "storage/rocksdb/rocksdb_record_store.h"
#include "tests/support/temporary_directory.h"

namespace latchkey::storage {
namespace {

class MemoryHarness : public Harness {
 public:
  explicit MemoryHarness(MemoryRecordStore::Sharing sharing) : store_(sharing) {}
  RecordStore& store() override { return store_; }
  void Reopen() override {}

 private:
  MemoryRecordStore store_;
};

class FaultlessHarness : public Harness {
 public:
  FaultlessHarness() { Reopen(); }
  RecordStore& store() override { return *store_; }
  void Reopen() override {
    store_ = std::make_unique<FaultyRecordStore>(beneath_,
                                                 [](const StoreCall&) { return Fault::kNone; });
  }

 private:
  MemoryRecordStore beneath_;
  std::unique_ptr<FaultyRecordStore> store_;
};

class RocksDbHarness : public Harness {
 public:
  RocksDbHarness() { Open(); }
  RecordStore& store() override { return *store_; }
  void Reopen() override {
    ASSERT_TRUE(store_->Close().ok());
    Open();
  }

 private:
  void Open() {
    store_.reset();
    auto opened = RocksDbRecordStore::Open(directory_.store(), {});
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
  }

  TemporaryDirectory directory_;
  std::unique_ptr<RocksDbRecordStore> store_;
};

INSTANTIATE_TEST_SUITE_P(
    All, RecordStoreSuite,
    ::testing::Values(
        Implementation{"Memory", Make<MemoryHarness, MemoryRecordStore::Sharing::kExclusive>},
        Implementation{"SharedMemory", Make<MemoryHarness, MemoryRecordStore::Sharing::kShared>},
        Implementation{"Faultless", Make<FaultlessHarness>},
        Implementation{"RocksDb", Make<RocksDbHarness>}),
    [](const ::testing::TestParamInfo<Implementation>& test) { return test.param.name; });

}  // namespace
}  // namespace latchkey::storage
