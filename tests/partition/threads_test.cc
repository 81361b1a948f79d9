// Partitions with their threads: calls from many threads, cancellations and the end of the server
// race with each other, and every call is finished exactly once.
#include <atomic>
#include <deque>
#include <memory>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "server/machine/namespaces.h"
#include "server/partition/fail_stop.h"
#include "server/partition/live_counts.h"
#include "server/partition/partitions.h"
#include "server/retention/retention.h"
#include "storage/faulty_record_store.h"
#include "storage/memory_record_store.h"
#include "tests/partition/test_call.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey {
namespace {

using R = v1::Refusal;

class NoObserver final : public PartitionObserver {
 public:
  void OnStep(const std::string&, const Step&) override {}
  void OnStall(Duration) override {}
};

// Counts calls, and lets a test wait for them to be finished.
class Finishes {
 public:
  template <class Request>
  void Watch(TestCall<Request>& call) {
    call.on_finish = [this] {
      MutexLock lock(mutex_);
      ++finished_;
      changed_.NotifyAll();
    };
  }
  void AwaitAtLeast(std::size_t count) {
    MutexLock lock(mutex_);
    while (finished_ < count) changed_.Wait(mutex_);
  }

 private:
  Mutex mutex_;
  Condition changed_;
  std::size_t finished_ GUARDED_BY(mutex_) = 0;
};

class PartitionsTest : public testing::Test {
 protected:
  void Start(Limits limits = {}, std::size_t count = 3) {
    limits_ = limits;
    auto retention =
        Retention::Start(memory_, namespaces_, clock_, {.accept_clock_step = false, .limits = {}});
    ASSERT_TRUE(retention.ok());
    retention_ = *std::move(retention);
    live_counts_ = std::make_unique<LiveCounts>();
    partitions_ =
        std::make_unique<Partitions>(PartitionEnvironment{.limits = &limits_,
                                                          .namespaces = &namespaces_,
                                                          .clock = &clock_,
                                                          .store = &store_,
                                                          .retention = retention_.get(),
                                                          .live_counts = live_counts_.get(),
                                                          .fail_stop = &fail_stop_,
                                                          .observer = &observer_,
                                                          .waiters = nullptr,
                                                          .storage_full = &storage_full_},
                                     count);
    ASSERT_TRUE(partitions_->Start().ok());
  }
  template <class Request>
  std::unique_ptr<TestCall<Request>> Make(Request request) {
    auto call = std::make_unique<TestCall<Request>>(std::move(request), clock_.Monotonic());
    finishes_.Watch(*call);
    return call;
  }
  // Submits, and waits for the answer.
  template <class Request>
  std::unique_ptr<TestCall<Request>> Ask(Request request) {
    auto call = std::make_unique<TestCall<Request>>(std::move(request), clock_.Monotonic());
    Finishes finishes;
    finishes.Watch(*call);
    partitions_->Submit(*call);
    finishes.AwaitAtLeast(1);
    return call;
  }

  Limits limits_;
  SystemClock clock_;
  Namespaces namespaces_;
  NoObserver observer_;
  storage::MemoryRecordStore memory_;
  std::atomic<int> commits_left_ = 1'000'000;  // until one fails
  storage::FaultyRecordStore store_{
      memory_, [this](const storage::StoreCall& call) {
        const bool fails = call.kind == storage::StoreCall::Kind::kCommit && --commits_left_ == 0;
        return fails ? storage::Fault::kFailBefore : storage::Fault::kNone;
      }};
  std::atomic<bool> storage_full_ = false;
  FailStop fail_stop_;
  Finishes finishes_;
  std::unique_ptr<Retention> retention_;
  std::unique_ptr<LiveCounts> live_counts_;
  std::unique_ptr<Partitions> partitions_;
};

TEST_F(PartitionsTest, EachKeyIsRunByOnePartition) {
  Start();
  for (int i = 0; i < 30; ++i) {
    const std::string key = "k" + std::to_string(i);
    const auto grant = Ask(Acquire(key, "a"));
    ASSERT_TRUE(grant->granted());
    EXPECT_TRUE(Ask(Acquire(key, "b"))->contended());
    EXPECT_TRUE(Ask(Succeed(key, grant->token()))->ok());
    EXPECT_TRUE(Ask(Acquire(key, "c"))->completed());
  }
}

// One that is in nobody's hands twice, under contention: the counter is not atomic.
TEST_F(PartitionsTest, LockExcludes) {
  constexpr int kThreads = 8;
  constexpr int kRounds = 40;
  Start();
  int inside = 0;
  std::atomic<int> violations = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int round = 0; round < kRounds; ++round) {
        const auto attempt = "t" + std::to_string(t) + "." + std::to_string(round);
        auto request = Await("one", attempt, 60s);
        SetProto(60s, request.mutable_lease_duration());
        const auto grant = Ask(std::move(request));
        if (!grant->granted()) {
          ++violations;
          continue;
        }
        if (++inside != 1) ++violations;
        --inside;
        if (!Ask(Release("one", grant->token()))->ok()) ++violations;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(violations, 0);
  EXPECT_EQ(partitions_->waiters(), 0);
  EXPECT_TRUE(live_counts_->All().empty());
}

class RaceTest : public PartitionsTest {
 protected:
  // Submits calls on a few keys and cancels some that may or may not wait still.
  void SubmitMany(int thread, int calls, std::deque<std::unique_ptr<AcquireCall>>& made) {
    for (int i = 0; i < calls; ++i) {
      const std::string attempt = std::to_string(thread) + "." + std::to_string(i);
      const std::string key = "k" + std::to_string(i % 5);
      auto request = Await(key, attempt, i % 3 == 0 ? 0s : 5s);
      SetProto(200ms, request.mutable_lease_duration());
      AcquireCall& call = *made.emplace_back(Make(Mutexed(std::move(request))));
      partitions_->Submit(call);
      if (i % 4 == 0) Cancel(*made[made.size() / 2]);
      if (i % 7 == 0) partitions_->Submit(*RememberRelease(Make(GiveUp(key, attempt))));
    }
  }
  void Cancel(AcquireCall& call) {
    call.SetGone();
    partitions_->Cancel(call.store_key, &call, call.serial);
  }
  ReleaseCall* RememberRelease(std::unique_ptr<ReleaseCall> call) {
    MutexLock lock(mutex_);
    return releases_.emplace_back(std::move(call)).get();
  }
  void Race(bool stop_meanwhile) {
    constexpr int kThreads = 4;
    constexpr int kCalls = 400;
    std::vector<std::deque<std::unique_ptr<AcquireCall>>> made(kThreads);
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] { SubmitMany(t, kCalls, made[static_cast<std::size_t>(t)]); });
    }
    if (stop_meanwhile) {
      finishes_.AwaitAtLeast(kCalls / 2);
      partitions_->EndAllWaits();
      partitions_->Stop();
    }
    for (std::thread& thread : threads) thread.join();
    if (!stop_meanwhile) {
      partitions_->EndAllWaits();
      partitions_->Stop();
    }
    for (const auto& of_thread : made) {
      for (const auto& call : of_thread) EXPECT_EQ(call->times_finished(), 1);
    }
    for (const auto& call : releases_) EXPECT_EQ(call->times_finished(), 1);
    EXPECT_EQ(partitions_->waiters(), 0);
  }

 private:
  Mutex mutex_;
  std::deque<std::unique_ptr<ReleaseCall>> releases_;
};

TEST_F(RaceTest, EveryCallIsFinishedOnce) {
  Start();
  Race(/*stop_meanwhile=*/false);
}

TEST_F(RaceTest, EveryCallIsFinishedOnceWhenTheServerStopsMeanwhile) {
  Start();
  Race(/*stop_meanwhile=*/true);
}

TEST_F(RaceTest, EveryCallIsFinishedOnceWhenTheStoreFailsMeanwhile) {
  Start();
  commits_left_ = 3;
  Race(/*stop_meanwhile=*/false);
  EXPECT_TRUE(fail_stop_.tripped());
}

TEST_F(PartitionsTest, LeasesAndWaitsEndByThemselves) {
  Start();
  auto request = Mutexed(Acquire("k", "a", 100ms));
  ASSERT_TRUE(Ask(request)->granted());
  EXPECT_TRUE(Ask(Await("k", "b", 60s))->granted());
  EXPECT_TRUE(Ask(Await("k", "c", 100ms))->contended());
}

TEST_F(PartitionsTest, StartTakesUpWhatIsHeldAndCountsWhatIsInDoubt) {
  Start();
  const auto held = Ask(Acquire("held", "a", 1min))->token();
  const auto doubtful = Ask(Acquire("doubtful", "a"))->token();
  Ask(Release("doubtful", doubtful, v1::ReleaseRequest::UNKNOWN));
  memory_.PutBytes(storage::MakeStoreKey("default", "corrupt"), "?");
  partitions_->Stop();
  Start({}, /*count=*/5);
  EXPECT_EQ(live_counts_->Get("default").held, 1);
  EXPECT_EQ(live_counts_->Get("default").in_doubt, 1);
  EXPECT_TRUE(Ask(Renew("held", held))->ok());
  EXPECT_TRUE(Ask(Acquire("doubtful", "b"))->contention().in_doubt());
  EXPECT_EQ(Ask(Check("corrupt"))->reason(), R::RECORD_CORRUPT);
}

TEST_F(PartitionsTest, CallAfterTheEndIsRefused) {
  Start();
  partitions_->Stop();
  auto call = Make(Acquire("k", "a"));
  partitions_->Submit(*call);
  EXPECT_EQ(call->reason(), R::SHUTTING_DOWN);
}

// A partition whose thread is not started yet queues what it is given.
class QueueBoundTest : public PartitionsTest {
 protected:
  std::unique_ptr<PartitionThread> MakeThread(Limits limits) {
    Start();  // for its environment
    limits_ = limits;
    return std::make_unique<PartitionThread>(PartitionEnvironment{.limits = &limits_,
                                                                  .namespaces = &namespaces_,
                                                                  .clock = &clock_,
                                                                  .store = &store_,
                                                                  .retention = retention_.get(),
                                                                  .live_counts = live_counts_.get(),
                                                                  .fail_stop = &fail_stop_,
                                                                  .observer = &observer_,
                                                                  .waiters = &waiters_,
                                                                  .storage_full = &storage_full_});
  }

  static std::optional<PartitionThread::NotTaken> Submit(PartitionThread& thread, Call& call) {
    Call* const calls[] = {&call};
    return thread.Submit(calls);
  }

  std::atomic<std::size_t> waiters_ = 0;
};

TEST_F(QueueBoundTest, ManyCallsAtOnce_AreTakenInOrderUpToTheLimit) {
  Limits limits;
  limits.queued_calls = 3;
  const auto thread = MakeThread(limits);
  std::vector<std::unique_ptr<AcquireCall>> calls;
  std::vector<Call*> pointers;
  for (int i = 0; i < 5; ++i) {
    calls.push_back(Make(Acquire("k", "a" + std::to_string(i))));
    pointers.push_back(calls.back().get());
  }
  const auto refused = thread->Submit(pointers);
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->taken, 3u);
  EXPECT_EQ(refused->refusal.reason, R::OVERLOADED);
  thread->Start();
  thread->Stop();
  EXPECT_TRUE(calls[0]->granted());
  for (int i = 1; i < 3; ++i) EXPECT_FALSE(calls[static_cast<std::size_t>(i)]->granted());
  for (int i = 3; i < 5; ++i) {
    EXPECT_EQ(calls[static_cast<std::size_t>(i)]->times_finished(), 0) << "it was not taken";
  }
}

TEST_F(QueueBoundTest, CallsAtTheLimitAndOnePast) {
  Limits limits;
  limits.queued_calls = 3;
  const auto thread = MakeThread(limits);
  std::vector<std::unique_ptr<AcquireCall>> calls;
  for (int i = 0; i < 3; ++i) {
    calls.push_back(Make(Acquire("k" + std::to_string(i), "a")));
    EXPECT_FALSE(Submit(*thread, *calls.back()));
  }
  const auto past = Make(Acquire("k", "a"));
  EXPECT_EQ(Submit(*thread, *past)->refusal.reason, R::OVERLOADED);
  EXPECT_EQ(thread->queue_length(), 3);
  EXPECT_EQ(past->times_finished(), 0) << "it was not taken";
  thread->Start();
  thread->Stop();
  for (const auto& call : calls) EXPECT_TRUE(call->granted());
}

TEST_F(QueueBoundTest, BytesAtTheLimitAndOnePast) {
  const auto one = Make(Acquire("k1", "a"));
  const auto two = Make(Acquire("k2", "a"));
  const auto past = Make(Check("k"));
  Limits limits;
  limits.queued_bytes = one->request_bytes + two->request_bytes;
  const auto thread = MakeThread(limits);
  EXPECT_FALSE(Submit(*thread, *one));
  EXPECT_FALSE(Submit(*thread, *two));
  EXPECT_EQ(Submit(*thread, *past)->refusal.reason, R::OVERLOADED);
  thread->Start();
  finishes_.AwaitAtLeast(2);
  EXPECT_FALSE(Submit(*thread, *past)) << "there is room again";
  finishes_.AwaitAtLeast(3);
  EXPECT_TRUE(past->ok());
  thread->Stop();
}

TEST_F(QueueBoundTest, FullQueueAnswersOverloaded) {
  Limits limits;
  limits.queued_calls = 0;
  Start(limits);
  const auto call = Ask(Acquire("k", "a"));
  EXPECT_EQ(call->reason(), R::OVERLOADED);
}

TEST_F(QueueBoundTest, LongQueueIsDecidedInBatches) {
  Limits limits;
  limits.batch_calls = 10;
  const auto thread = MakeThread(limits);
  std::vector<std::unique_ptr<AcquireCall>> calls;
  for (int i = 0; i < 95; ++i) {
    calls.push_back(Make(Acquire("k" + std::to_string(i), "a")));
    ASSERT_FALSE(Submit(*thread, *calls.back()));
  }
  thread->Start();
  thread->Stop();
  for (const auto& call : calls) EXPECT_TRUE(call->granted());
}

}  // namespace
}  // namespace latchkey
