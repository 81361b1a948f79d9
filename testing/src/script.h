// What a FakeService was told to answer, and what it was asked. Shared by the service and the
// connections of its clients.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "client/src/connection.h"
#include "latchkey/testing/fake_service.h"
#include "testing/src/still_runtime.h"

namespace latchkey::testing_internal {

// Thread-safe. The calls are those of internal::Connection, answered at once; `now` is the time of
// the client that asks.
class Script {
 public:
  using Time = BootClock::time_point;

  internal::AcquireReply Acquire(const internal::AcquireCall& call, Time now);
  Answer<internal::Validity> Renew(const internal::RenewCall& call, Time now);
  Answer<StoredResult> Record(const internal::RecordCall& call);
  Answer<KeyStatus::State> Release(const internal::ReleaseCall& call);
  Answer<KeyStatus> Check(const internal::CheckCall& call);
  Answer<std::string> Issue();

  // All that is known of one key.
  struct Key {
    std::deque<testing::AcquireScript> answers = {};
    std::deque<testing::RecordScript> record_answers = {};
    KeyStatus status = {};
    // Refuses renewals; empty: none.
    std::string lost_reason = {};
    Mode mode = Mode::kExecute;
    std::chrono::nanoseconds lease_duration = {};
    std::vector<testing::Asked> asked = {};
    std::vector<Outcome> recorded = {};
    std::vector<Effect> released = {};
    std::optional<std::string> checkpoint = {};
    bool effect_started = false;
  };
  // Calls `use` with a key, alone.
  template <typename Use>
  auto With(std::string_view key, Use use) {
    MutexLock lock(mutex_);
    return use(keys_[std::string(key)]);
  }

  void SetUnavailable(bool unavailable);
  // The time of one more client.
  std::shared_ptr<StillRuntime> MakeRuntime();
  void AdvanceTime(std::chrono::nanoseconds by);

 private:
  internal::Grant MakeGrant(const internal::AcquireCall& call, Key& key,
                            const testing::Recover& given, Mode mode, Time now) REQUIRES(mutex_);

  Mutex mutex_;
  std::map<std::string, Key> keys_ GUARDED_BY(mutex_);
  bool unavailable_ GUARDED_BY(mutex_) = false;
  std::uint64_t last_token_ GUARDED_BY(mutex_) = 0;
  std::uint64_t last_issued_ GUARDED_BY(mutex_) = 0;
  Time now_ GUARDED_BY(mutex_) = BootClock::now();
  std::vector<std::weak_ptr<StillRuntime>> runtimes_ GUARDED_BY(mutex_);
};

}  // namespace latchkey::testing_internal
