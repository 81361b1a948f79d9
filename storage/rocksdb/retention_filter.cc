#include "storage/rocksdb/retention_filter.h"

#include <utility>

#include "storage/record_codec.h"
#include <rocksdb/compaction_filter.h>

namespace latchkey::storage {
namespace {

class RetentionFilter final : public rocksdb::CompactionFilter {
 public:
  explicit RetentionFilter(const IsForgotten& is_forgotten) : is_forgotten_(is_forgotten) {}

  const char* Name() const override { return "latchkey.retention"; }

  bool Filter(int /*level*/, const rocksdb::Slice& key, const rocksdb::Slice& value,
              std::string* /*new_value*/, bool* /*value_changed*/) const override {
    const absl::StatusOr<Record> record = DecodeRecord({value.data(), value.size()});
    if (!record.ok() || IsLive(*record)) return false;
    return is_forgotten_({key.data(), key.size()}, *record);
  }

 private:
  const IsForgotten& is_forgotten_;
};

class RetentionFilterFactory final : public rocksdb::CompactionFilterFactory {
 public:
  explicit RetentionFilterFactory(IsForgotten is_forgotten)
      : is_forgotten_(std::move(is_forgotten)) {}

  const char* Name() const override { return "latchkey.retention"; }

  std::unique_ptr<rocksdb::CompactionFilter> CreateCompactionFilter(
      const rocksdb::CompactionFilter::Context&) override {
    return std::make_unique<RetentionFilter>(is_forgotten_);
  }

 private:
  const IsForgotten is_forgotten_;
};

}  // namespace

std::shared_ptr<rocksdb::CompactionFilterFactory> MakeRetentionFilterFactory(
    IsForgotten is_forgotten) {
  return std::make_shared<RetentionFilterFactory>(std::move(is_forgotten));
}

}  // namespace latchkey::storage
