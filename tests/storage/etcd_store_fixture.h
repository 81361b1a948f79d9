// A store over an etcd of its own, for each test.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "storage/etcd/etcd_record_store.h"
#include "tests/storage/test_records.h"
#include "tests/support/temporary_directory.h"
#include "tools/process/etcd_cluster.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey::storage {

using Outcome = WriteResult::Outcome;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

class EtcdRecordStoreTest : public ::testing::Test {
 protected:
  void StartCluster(const EtcdClusterOptions& options = {}) {
    auto started = EtcdCluster::Start(directory_.path(), options);
    ASSERT_TRUE(started.ok()) << started.status();
    cluster_ = *std::move(started);
  }
  EtcdOptions Options() {
    EtcdOptions options;
    for (std::size_t i = 0; i < cluster_->size(); ++i) {
      options.endpoints.push_back(cluster_->address(i));
    }
    return options;
  }
  std::unique_ptr<EtcdRecordStore> Open() {
    if (cluster_ == nullptr) StartCluster();
    return Open(Options());
  }
  std::unique_ptr<EtcdRecordStore> Open(const EtcdOptions& options) {
    auto opened = EtcdRecordStore::Open(options, clock_);
    EXPECT_TRUE(opened.ok()) << opened.status();
    return opened.ok() ? *std::move(opened) : nullptr;
  }
  void PutBytes(const std::string& key, const std::string& value) {
    EtcdClient client(Options(), clock_);
    etcdserverpb::TxnRequest txn;
    auto& put = *txn.add_success()->mutable_request_put();
    put.set_key(key);
    put.set_value(value);
    ASSERT_TRUE(client.Txn(txn).ok());
  }
  static WriteResult CommitOne(RecordStore& store, const Write& write) {
    const auto results = store.Commit(std::vector{write});
    EXPECT_TRUE(results.ok()) << results.status();
    return results.ok() ? results->front() : WriteResult();
  }

  const Record held_ = MakeRecord(State::HELD, 1, "h");
  const Record done_ = MakeRecord(State::COMPLETED, 1, "d");
  SystemClock clock_;
  TemporaryDirectory directory_;
  std::unique_ptr<EtcdCluster> cluster_;
};

}  // namespace latchkey::storage
