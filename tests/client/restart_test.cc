// The service is killed and started again under everything that a client has under way. For less
// than the lease nobody should notice: no lease is lost, and no call fails that has time left.
#include <atomic>
#include <functional>
#include <future>
#include <string>
#include <vector>

#include "latchkey/client.h"
#include "latchkeyd_process.h"
#include "tests/support/temporary_directory.h"
#include <gtest/gtest.h>

namespace latchkey {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr int kLeases = 400;
// Renewed after 5 s at the latest, and the outage ends soon after the first renewal has failed.
constexpr seconds kLease(15);

class RestartTest : public testing::Test {
 protected:
  static std::string Key(const std::string& kind, int number) {
    return kind + ":" + std::to_string(number);
  }

  void AcquireLeases() {
    std::vector<std::future<AcquireAnswer>> acquired;
    acquired.reserve(kLeases);
    for (int i = 0; i < kLeases; ++i) {
      acquired.push_back(AsFuture(client_, &Client::AcquireLockAsync, Key("held", i),
                                  AcquireOptions{.lease_duration = kLease}));
    }
    for (auto& answer : acquired) {
      leases_.push_back(std::get<Lease>(answer.get()));
      leases_.back().OnLost([this](const std::string&) { ++lost_; });
    }
  }
  // Asks a service that may not be there, now and then, until the condition holds.
  void Await(const std::function<bool()>& condition) {
    while (!condition()) {
      (void)client_.CheckResult(Key("held", 0),
                                {.wait_timeout = milliseconds(50), .timeout = milliseconds(50)});
    }
  }
  int InState(LeaseState state) const {
    int count = 0;
    for (const Lease& lease : leases_) count += lease.state() == state ? 1 : 0;
    return count;
  }

  const TemporaryDirectory directory_;
  LatchkeydProcess latchkeyd_{"rocksdb:" + directory_.store()};
  Client client_ = Client::Connect(latchkeyd_.address());
  std::vector<Lease> leases_;
  std::atomic<int> lost_ = 0;
};

TEST_F(RestartTest, HundredsOfLeasesAndCallsUnderWay_NoneIsLostAndNoneFails) {
  AcquireLeases();
  std::vector<std::future<AcquireAnswer>> waiting;
  std::vector<std::future<Answer<KeyStatus>>> watching;
  for (int i = 0; i < 50; ++i) {
    waiting.push_back(AsFuture(client_, &Client::AcquireLockAsync, Key("held", i),
                               AcquireOptions{.wait_timeout = minutes(1)}));
    watching.push_back(AsFuture(client_, &Client::CheckResultAsync, Key("held", i),
                                CheckOptions{.wait_timeout = minutes(1)}));
  }

  latchkeyd_.Kill();
  const auto killed = BootClock::now();
  std::vector<std::future<RecordAnswer>> recorded;
  recorded.reserve(kLeases);
  for (int i = 0; i < 25; ++i) {
    recorded.push_back(AsFuture(leases_[i], &Lease::RecordAsync, Succeeded({.code = "early"})));
  }
  std::vector<std::future<Answer<std::chrono::nanoseconds>>> saved;
  for (int i = 25; i < 50; ++i) {
    saved.push_back(AsFuture(leases_[i], &Attempt::SaveCheckpointAsync, "half way"));
  }
  std::vector<std::future<AcquireAnswer>> fresh;
  fresh.reserve(25);
  for (int i = 0; i < 25; ++i) {
    fresh.push_back(AsFuture(client_, &Client::AcquireLockAsync, Key("fresh", i),
                             AcquireOptions{.acquire_timeout = minutes(1)}));
  }
  Await([&] { return InState(LeaseState::kUncertain) > 0; });
  latchkeyd_.Start();

  for (auto& answer : recorded) EXPECT_EQ(answer.get().status, RecordAnswer::Status::kRecorded);
  for (auto& answer : saved) {
    const auto left = answer.get();
    EXPECT_TRUE(left.ok()) << left.error().reason << " " << left.error().message;
  }
  for (auto& answer : fresh) EXPECT_TRUE(std::holds_alternative<Lease>(answer.get()));
  // Until every lease that is still held was renewed by the new process: the old one promised
  // nothing beyond that time.
  Await([&] {
    for (int i = 25; i < kLeases; ++i) {
      const bool lost = leases_[i].state() == LeaseState::kLost;
      if (!lost && leases_[i].safe_until() < killed + kLease) return false;
    }
    return true;
  });
  EXPECT_EQ(InState(LeaseState::kHeld), kLeases - 25);
  for (int i = 25; i < kLeases; ++i) {
    recorded.push_back(AsFuture(leases_[i], &Lease::RecordAsync, Succeeded({.code = "late"})));
  }
  for (std::size_t i = 25; i < recorded.size(); ++i) {
    const RecordAnswer answer = recorded[i].get();
    ASSERT_EQ(answer.status, RecordAnswer::Status::kRecorded) << answer.error->message;
    EXPECT_FALSE(answer.stored->late);
  }
  for (auto& answer : waiting) EXPECT_TRUE(std::holds_alternative<Completed>(answer.get()));
  for (auto& answer : watching) EXPECT_EQ(answer.get()->state, KeyStatus::State::kCompleted);
  EXPECT_EQ(lost_, 0);
}

}  // namespace
}  // namespace latchkey
