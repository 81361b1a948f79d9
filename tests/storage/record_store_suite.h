// The black-box suite that runs over every RecordStore: its cases are in record_store_suite.cc, and
// each test program says over which stores they run.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "storage/record_store.h"
#include "tests/storage/test_records.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey::storage {

// Something that has a store and can close and open it again.
class Harness {
 public:
  virtual ~Harness() = default;
  virtual RecordStore& store() = 0;
  virtual void Reopen() = 0;
  // Tokens are 1, 2, 3 and so on, and the highest is known.
  virtual bool counts_tokens() const { return true; }
};

struct Implementation {
  const char* name;
  std::unique_ptr<Harness> (*make)();
};

class RecordStoreSuite : public ::testing::TestWithParam<Implementation> {
 protected:
  RecordStore& store() { return harness_->store(); }
  void Reopen() { harness_->Reopen(); }

  // A token was given after `before`, and nothing between them; `highest` is the highest so far.
  void ExpectNext(std::uint64_t token, std::uint64_t before) {
    EXPECT_GT(token, before);
    if (harness_->counts_tokens()) {
      EXPECT_EQ(token, before + 1);
    }
    EXPECT_GE(store().HighestToken(), token);
    if (harness_->counts_tokens()) {
      EXPECT_EQ(store().HighestToken(), token);
    }
  }
  bool counts_tokens() const { return harness_->counts_tokens(); }

  std::vector<WriteResult> Commit(const std::vector<Write>& writes) {
    auto results = store().Commit(writes);
    EXPECT_TRUE(results.ok()) << results.status();
    if (!results.ok()) return std::vector<WriteResult>(writes.size());
    EXPECT_EQ(results->size(), writes.size());
    for (const WriteResult& result : *results) {
      EXPECT_EQ(result.outcome, WriteResult::Outcome::kCommitted);
    }
    return *std::move(results);
  }
  WriteResult Commit(const Write& write) { return Commit(std::vector{write}).front(); }

  std::vector<Loaded> Load(const std::vector<std::string>& store_keys) {
    auto loaded = store().Load(store_keys);
    EXPECT_TRUE(loaded.ok()) << loaded.status();
    EXPECT_EQ(loaded->size(), store_keys.size());
    return *std::move(loaded);
  }
  Loaded Load(const std::string& store_key) { return Load(std::vector{store_key}).front(); }

  std::vector<std::string> ScanKeys(const ScanRequest& request) {
    auto scanned = store().Scan(request);
    EXPECT_TRUE(scanned.ok()) << scanned.status();
    std::vector<std::string> keys;
    for (const Scanned& record : *scanned) keys.push_back(record.store_key);
    return keys;
  }

 private:
  std::unique_ptr<Harness> harness_ = GetParam().make();
};

template <typename Made, auto... arguments>
std::unique_ptr<Harness> Make() {
  return std::make_unique<Made>(arguments...);
}

}  // namespace latchkey::storage
