#include "storage/rocksdb/failure_latch.h"

#include <string>
#include <utility>

#include <rocksdb/listener.h>
#include <rocksdb/status.h>

namespace latchkey::storage {
namespace {

class LatchingListener final : public rocksdb::EventListener {
 public:
  explicit LatchingListener(std::shared_ptr<FailureLatch> latch) : latch_(std::move(latch)) {}

  void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* error) override {
    (void)latch_->Fail("writing in the background", *error);
  }
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status,
                            bool* auto_recovery) override {
    *auto_recovery = false;
  }

 private:
  const std::shared_ptr<FailureLatch> latch_;
};

}  // namespace

absl::Status FailureLatch::Check() const {
  if (!failed_.load(std::memory_order_acquire)) return absl::OkStatus();
  MutexLock lock(mutex_);
  return failure_;
}

absl::Status FailureLatch::Fail(std::string_view doing, const rocksdb::Status& cause) {
  MutexLock lock(mutex_);
  if (failure_.ok()) {
    std::string message = "store failed while ";
    message.append(doing).append(" (").append(cause.ToString());
    message.append(
        "); nothing is acknowledged any more: mend the disk or make room on it, then restart "
        "the process");
    failure_ = absl::UnavailableError(message);
    failed_.store(true, std::memory_order_release);
  }
  return failure_;
}

std::shared_ptr<rocksdb::EventListener> FailureLatch::MakeListener() {
  return std::make_shared<LatchingListener>(shared_from_this());
}

}  // namespace latchkey::storage
