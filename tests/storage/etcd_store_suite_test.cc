// The suite over etcd: one member, started anew for each case.
#include "base/clock.h"
#include "storage/etcd/etcd_record_store.h"
#include "tests/storage/record_store_suite.h"
#include "tests/support/temporary_directory.h"
#include "tools/process/etcd_cluster.h"

namespace latchkey::storage {
namespace {

class EtcdHarness : public Harness {
 public:
  EtcdHarness() {
    auto started = EtcdCluster::Start(directory_.path());
    EXPECT_TRUE(started.ok()) << started.status();
    if (started.ok()) cluster_ = *std::move(started);
    Reopen();
  }
  RecordStore& store() override { return *store_; }
  void Reopen() override {
    auto opened = EtcdRecordStore::Open({.endpoints = {cluster_->address(0)}}, clock_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
  }
  bool counts_tokens() const override { return false; }

 private:
  SystemClock clock_;
  TemporaryDirectory directory_;
  std::unique_ptr<EtcdCluster> cluster_;
  std::unique_ptr<EtcdRecordStore> store_;
};

INSTANTIATE_TEST_SUITE_P(All, RecordStoreSuite,
                         ::testing::Values(Implementation{"Etcd", Make<EtcdHarness>}),
                         [](const ::testing::TestParamInfo<Implementation>& test) {
                           return test.param.name;
                         });

}  // namespace
}  // namespace latchkey::storage
