#include "storage/rocksdb/retention_filter.h"

#include <utility>

#include "storage/record_codec.h"
#include <rocksdb/compaction_filter.h>

namespace latchkey::storage {
namespace {

class RetentionFilter final : public rocksdb::CompactionFilter {
 public:
  explicit RetentionFilter(const Expire& expire) : expire_(expire) {}

  const char* Name() const override { return "latchkey.retention"; }

  bool Filter(int /*level*/, const rocksdb::Slice& key, const rocksdb::Slice& value,
              std::string* new_value, bool* value_changed) const override {
    absl::StatusOr<Record> record = DecodeRecord({value.data(), value.size()});
    if (!record.ok() || IsLive(*record)) return false;
    const Expired expired = expire_({key.data(), key.size()}, *record);
    if (expired == Expired::kPart) {
      EncodeRecord(*record, new_value);
      *value_changed = true;
    }
    return expired == Expired::kAll;
  }

 private:
  const Expire& expire_;
};

class RetentionFilterFactory final : public rocksdb::CompactionFilterFactory {
 public:
  explicit RetentionFilterFactory(Expire expire) : expire_(std::move(expire)) {}

  const char* Name() const override { return "latchkey.retention"; }

  std::unique_ptr<rocksdb::CompactionFilter> CreateCompactionFilter(
      const rocksdb::CompactionFilter::Context&) override {
    return std::make_unique<RetentionFilter>(expire_);
  }

 private:
  const Expire expire_;
};

}  // namespace

std::shared_ptr<rocksdb::CompactionFilterFactory> MakeRetentionFilterFactory(Expire expire) {
  return std::make_shared<RetentionFilterFactory>(std::move(expire));
}

}  // namespace latchkey::storage
