// The closed loop, against a system that is a queue and a thread.

#include "tools/load_generator/closed_loop.h"

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey::bench {
namespace {

using std::chrono::milliseconds;

// Ends flows on a thread of its own, in the order in which they came.
class QueueDriver final : public Driver {
 public:
  // The flow that fails, by its number from 1; 0: none.
  explicit QueueDriver(int fails = 0) : fails_(fails), thread_([this] { Work(); }) {}
  ~QueueDriver() override {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  std::unique_ptr<FlowLoop> MakeLoop(int) override { return std::make_unique<Loop>(*this); }

  // Valid after the run.
  const std::set<std::string>& keys() const { return keys_; }
  const std::set<std::string>& payloads() const { return payloads_; }
  std::size_t most_in_flight() const { return most_in_flight_; }

 private:
  class Loop final : public FlowLoop {
   public:
    explicit Loop(QueueDriver& driver) : driver_(driver) {}
    void End(bool well) { well ? Finished() : Failed("it broke"); }

   private:
    void Send() override { driver_.Push(*this, key(), MakePayload()); }
    QueueDriver& driver_;
  };

  void Push(Loop& loop, const std::string& key, const std::string& payload) {
    const std::lock_guard lock(mutex_);
    keys_.insert(key);
    payloads_.insert(payload);
    queue_.push_back(&loop);
    most_in_flight_ = std::max(most_in_flight_, queue_.size());
    changed_.notify_all();
  }

  void Work() {
    std::unique_lock lock(mutex_);
    for (int number = 1;; ++number) {
      changed_.wait(lock, [this] { return over_ || !queue_.empty(); });
      if (queue_.empty()) return;
      Loop* const loop = queue_.front();
      queue_.pop_front();
      lock.unlock();
      loop->End(number != fails_);
      lock.lock();
    }
  }

  const int fails_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool over_ = false;
  std::deque<Loop*> queue_;
  std::set<std::string> keys_;
  std::set<std::string> payloads_;
  std::size_t most_in_flight_ = 0;
  std::thread thread_;
};

LoadOptions Flows(std::uint64_t flows, int concurrency) {
  LoadOptions options;
  options.concurrency = concurrency;
  options.warm_up = milliseconds(0);
  options.measure = std::chrono::hours(1);
  options.flows_max = flows;
  options.key_prefix = "test";
  return options;
}

TEST(ClosedLoopTest, EveryFlowHasAKeyAndAPayloadOfItsOwn) {
  QueueDriver driver;
  const auto measured = RunLoad(driver, Flows(1000, 10));
  ASSERT_TRUE(measured.ok()) << measured.status();
  // What was in flight when enough had ended is ended too.
  EXPECT_GE(driver.keys().size(), 1000U);
  EXPECT_LE(driver.keys().size(), 1010U);
  EXPECT_EQ(driver.payloads().size(), driver.keys().size());
  for (const std::string& key : driver.keys()) EXPECT_TRUE(key.starts_with("test:"));
  EXPECT_GT(measured->operations_per_second, 0);
  EXPECT_GT(measured->p50_us, 0);
  EXPECT_LE(measured->p999_us, measured->longest_us);
}

TEST(ClosedLoopTest, KeepsAsManyInFlightAsWasSaid) {
  QueueDriver driver;
  ASSERT_TRUE(RunLoad(driver, Flows(100, 7)).ok());
  EXPECT_LE(driver.most_in_flight(), 7U);
}

TEST(ClosedLoopTest, EndsWhenTheTimeIsOver) {
  QueueDriver driver;
  LoadOptions options = Flows(0, 3);
  options.measure = milliseconds(50);
  EXPECT_TRUE(RunLoad(driver, options).ok());
}

TEST(ClosedLoopTest, CountsNothingOfTheWarmUp) {
  QueueDriver driver;
  LoadOptions options = Flows(100, 1);
  options.warm_up = std::chrono::hours(1);
  const auto measured = RunLoad(driver, options);
  ASSERT_TRUE(measured.ok()) << measured.status();
  EXPECT_EQ(measured->p50_us, 0);
}

TEST(ClosedLoopTest, OneFailureEndsTheRunWithItsWords) {
  QueueDriver driver(/*fails=*/50);
  const auto measured = RunLoad(driver, Flows(0, 5));
  EXPECT_EQ(measured.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(measured.status().message()), testing::HasSubstr("it broke"));
}

}  // namespace
}  // namespace latchkey::bench
