// The client against the real server: killed, frozen and restarted under it.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <latch>
#include <string>
#include <thread>

#include "latchkey/client.h"
#include "latchkeyd_process.h"
#include "tests/support/temporary_directory.h"
#include <gtest/gtest.h>

namespace latchkey {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Status = RunResult::Status;

class LatchkeydTest : public testing::Test {
 protected:
  Work Paying() {
    return [this](Attempt& attempt) {
      ++payments_;
      return Succeeded({.code = "captured",
                        .provider_reference = "pay_" + std::to_string(attempt.fencing_token()),
                        .content_type = "text/plain",
                        .payload = "thanks"});
    };
  }

  std::atomic<int> payments_ = 0;
};

class MemoryLatchkeydTest : public LatchkeydTest {
 protected:
  LatchkeydProcess latchkeyd_{"memory:"};
  Client client_ = Client::Connect(latchkeyd_.address());
};

TEST_F(MemoryLatchkeydTest, RunOnce_Twice_RunsOnce) {
  const RunResult first = client_.RunOnce("order:1", {.fingerprint = "1900 EUR"}, Paying());
  ASSERT_EQ(first.status, Status::kSucceeded) << first.error->message;
  EXPECT_FALSE(first.replayed);
  EXPECT_EQ(first.result->payload, "thanks");
  EXPECT_EQ(first.result->payload_digest.size(), 32u);
  const RunResult second = client_.RunOnce("order:1", {.fingerprint = "1900 EUR"}, Paying());
  ASSERT_EQ(second.status, Status::kSucceeded);
  EXPECT_TRUE(second.replayed);
  EXPECT_EQ(second.result->provider_reference, first.result->provider_reference);
  EXPECT_EQ(second.result->payload, "thanks");
  EXPECT_EQ(second.result->fencing_token, first.result->fencing_token);
  EXPECT_EQ(second.result->recorded_at, first.result->recorded_at);
  EXPECT_EQ(payments_, 1);
  const RunResult other = client_.RunOnce("order:1", {.fingerprint = "9900 EUR"}, Paying());
  EXPECT_EQ(other.status, Status::kRefused);
  EXPECT_EQ(other.error->reason, "FINGERPRINT_MISMATCH");
  EXPECT_EQ(payments_, 1);
}

TEST_F(MemoryLatchkeydTest, RunOnce_AtOnceFromManyClients_RunsOnce) {
  std::vector<std::thread> threads;
  std::atomic<int> replays = 0;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      Client client = Client::Connect(latchkeyd_.address());
      const RunResult run = client.RunOnce("order:1", {.wait_timeout = seconds(60)}, Paying());
      EXPECT_EQ(run.status, Status::kSucceeded);
      if (run.replayed) ++replays;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(payments_, 1);
  EXPECT_EQ(replays, 7);
}

TEST_F(MemoryLatchkeydTest, StepByStep) {
  {
    AcquireAnswer acquired = client_.AcquireLock("order:1", {.downstream_key_ttl = hours(24)});
    Lease& lease = std::get<Lease>(acquired);
    EXPECT_EQ(lease.mode(), Mode::kExecute);
    EXPECT_EQ(lease.attempt_number(), 1u);
    EXPECT_EQ(lease.downstream_idempotency_key().size(), 36u);
    EXPECT_TRUE(lease.MarkEffectStarted().ok());
    EXPECT_TRUE(lease.SaveCheckpoint("asked the bank").ok());
    EXPECT_EQ(client_.CheckResult("order:1")->state, KeyStatus::State::kHeld);
    AcquireAnswer refused = client_.AcquireLock("order:1");
    EXPECT_GT(std::get<Contention>(refused).retry_after, seconds(0));
  }
  EXPECT_EQ(client_.CheckResult("order:1")->state, KeyStatus::State::kInDoubt)
      << "a dropped guard is UNKNOWN";
  AcquireAnswer again = client_.AcquireLock("order:1");
  Lease& lease = std::get<Lease>(again);
  EXPECT_EQ(lease.mode(), Mode::kRecover);
  EXPECT_EQ(lease.recover_action(), RecoverAction::kResendSameKey);
  EXPECT_GT(lease.downstream_key_remaining(), hours(23));
  EXPECT_EQ(lease.checkpoint(), "asked the bank");
  EXPECT_EQ(lease.Release(Effect::kRunNotExecuted)->state, KeyStatus::State::kAbsent);
  EXPECT_EQ(lease.Record(Succeeded({})).error->reason, "KEY_UNKNOWN");
}

TEST_F(MemoryLatchkeydTest, TakenOver_IsSuperseded) {
  AcquireAnswer first = client_.AcquireLock("order:1");
  Lease& lease = std::get<Lease>(first);
  EXPECT_EQ(lease.Release(Effect::kUnknown)->state, KeyStatus::State::kInDoubt);
  const Work recover = [](Attempt&) { return Succeeded({.provider_reference = "found"}); };
  const RunResult run = client_.RunOnce("order:1", {}, Paying(), recover);
  EXPECT_EQ(run.status, Status::kSucceeded);
  EXPECT_TRUE(run.recovered);
  const RecordAnswer late = lease.Record(Succeeded({.provider_reference = "mine"}));
  EXPECT_EQ(late.status, RecordAnswer::Status::kSuperseded);
  EXPECT_EQ(late.error->reason, "STALE_FENCING_TOKEN");
  EXPECT_EQ(late.stored->provider_reference, "found");
  EXPECT_EQ(lease.Release(Effect::kNotExecuted)->state, KeyStatus::State::kCompleted);
}

TEST_F(MemoryLatchkeydTest, TheLeaseIsRenewedWhileTheWorkRuns) {
  const AcquireOptions options{.lease_duration = seconds(3)};
  const RunResult run = client_.RunOnce("order:1", options, [&](Attempt& attempt) {
    // Renewed every second, counted from the sending.
    const auto first = attempt.safe_until();
    while (BootClock::now() <= first && attempt.state() != LeaseState::kLost) {
      (void)client_.CheckResult("order:1", {.wait_timeout = milliseconds(100)});
    }
    EXPECT_NE(attempt.state(), LeaseState::kLost) << "longer than the lease as granted";
    return Succeeded({});
  });
  EXPECT_EQ(run.status, Status::kSucceeded);
  EXPECT_FALSE(run.result->late);
}

TEST_F(MemoryLatchkeydTest, IssuesKeysAndRefusesBadOnes) {
  const Answer<std::string> key = client_.IssueKey();
  ASSERT_TRUE(key.ok());
  EXPECT_EQ(key->size(), 36u);
  EXPECT_EQ(client_.RunOnce(*key, {}, Paying()).status, Status::kSucceeded);
  EXPECT_EQ(client_.RunOnce("", {}, Paying()).error->reason, "KEY_REQUIRED");
  EXPECT_EQ(client_.RunOnce("a b", {}, Paying()).error->reason, "KEY_MALFORMED");
  EXPECT_EQ(client_.RunOnce("\xFF", {}, Paying()).error->reason, "KEY_MALFORMED");
  EXPECT_EQ(client_.RunOnce("k", {.lease_duration = hours(1)}, Paying()).error->reason,
            "LEASE_DURATION_OUT_OF_RANGE");
  EXPECT_EQ(payments_, 1);
}

// Each leaves a renewal or a release under way: its callback must not be the last owner of the
// channel.
TEST_F(MemoryLatchkeydTest, ClientsComeAndGo) {
  client_ = Client::Connect("127.0.0.1:1");
  for (int i = 0; i < 300; ++i) {
    Client client = Client::Connect(latchkeyd_.address());
    const std::string key = "order:" + std::to_string(i);
    AcquireAnswer acquired = client.AcquireLock(key, {.lease_duration = milliseconds(100)});
    ASSERT_TRUE(std::holds_alternative<Lease>(acquired));
    if (i % 2 == 0) (void)std::get<Lease>(acquired).Record(Succeeded({}));
  }
}

TEST_F(MemoryLatchkeydTest, FrozenServer_NothingRunsAndEverythingEnds) {
  AcquireAnswer held = client_.AcquireLock("order:1");
  ASSERT_TRUE(std::holds_alternative<Lease>(held));
  latchkeyd_.Freeze();
  {
    Client client = Client::Connect(latchkeyd_.address(), {.rpc_timeout = milliseconds(200)});
    const RunResult run =
        client.RunOnce("order:2", {.acquire_timeout = milliseconds(500)}, Paying());
    EXPECT_EQ(run.status, Status::kUnavailable);
  }
  held = Error{};  // The guard is dropped, and gives up after a second.
  client_ = Client::Connect("127.0.0.1:1");
  latchkeyd_.Thaw();
  EXPECT_EQ(payments_, 0);
}

TEST_F(LatchkeydTest, ServerKilledBetweenTwoRuns_RunsOnce) {
  const TemporaryDirectory directory;
  LatchkeydProcess latchkeyd("rocksdb:" + directory.store());
  Client client = Client::Connect(latchkeyd.address());
  ASSERT_EQ(client.RunOnce("order:1", {}, Paying()).status, Status::kSucceeded);
  latchkeyd.Kill();
  const RunResult gone =
      client.RunOnce("order:1", {.acquire_timeout = milliseconds(500)}, Paying());
  EXPECT_EQ(gone.status, Status::kUnavailable);
  latchkeyd.Start();
  const RunResult again = client.RunOnce("order:1", {}, Paying());
  EXPECT_EQ(again.status, Status::kSucceeded);
  EXPECT_TRUE(again.replayed);
  EXPECT_EQ(payments_, 1);
}

TEST_F(LatchkeydTest, ServerKilledWhileTheWorkRuns_IsRecordedWhenItIsBack) {
  const TemporaryDirectory directory;
  LatchkeydProcess latchkeyd("rocksdb:" + directory.store());
  Client client = Client::Connect(latchkeyd.address());
  std::latch begun(1);
  std::latch killed(1);
  RunResult run;
  std::thread worker([&] {
    run = client.RunOnce("order:1", {}, [&](Attempt&) {
      begun.count_down();
      killed.wait();
      return Succeeded({.provider_reference = "pay_1"});
    });
  });
  begun.wait();
  latchkeyd.Kill();
  killed.count_down();
  latchkeyd.Start();
  worker.join();
  EXPECT_EQ(run.status, Status::kSucceeded);
  EXPECT_EQ(client.CheckResult("order:1")->result->provider_reference, "pay_1");
}

TEST(NoServerTest, NobodyListens_NothingRuns) {
  Client client = Client::Connect("127.0.0.1:1");
  const RunResult run =
      client.RunOnce("order:1", {.acquire_timeout = milliseconds(300)}, [](Attempt&) {
        ADD_FAILURE() << "the work ran without a lock";
        return Succeeded({});
      });
  EXPECT_EQ(run.status, Status::kUnavailable);
  EXPECT_FALSE(client.CheckResult("order:1", {.timeout = seconds(0)}).ok());
}

// Takes connections into its backlog and says nothing.
TEST(NoServerTest, SomebodyListensAndIsSilent_EverythingEnds) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(listener, 16), 0);
  ASSERT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  {
    Client client = Client::Connect("127.0.0.1:" + std::to_string(ntohs(address.sin_port)),
                                    {.rpc_timeout = milliseconds(100)});
    EXPECT_FALSE(client.CheckResult("k", {.timeout = milliseconds(250)}).ok());
    // Leaves its Release(attempt_id) under way.
    EXPECT_TRUE(std::holds_alternative<Error>(
        client.AcquireLock("k", {.acquire_timeout = milliseconds(250)})));
  }
  close(listener);
}

}  // namespace
}  // namespace latchkey
