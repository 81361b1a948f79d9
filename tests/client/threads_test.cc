// Many threads, the real timer thread, and a fake network: what ThreadSanitizer looks at. Nothing
// here depends on how fast it runs.
#include <atomic>
#include <future>
#include <map>
#include <stop_token>
#include <thread>
#include <vector>

#include "client/src/convert.h"
#include "client/src/library_thread.h"
#include "client/src/system_runtime.h"
#include "client_fixture.h"
#include <gtest/gtest.h>

namespace latchkey::inline client::internal {
namespace {

using grpc::StatusCode;
using std::chrono::milliseconds;
using std::chrono::seconds;

class ThreadsTest : public ClientTest {
 protected:
  ThreadsTest() {
    network_->acquire.Always([this](const v1::AcquireLockRequest&) {
      GrantPlay play = Granted(++tokens_);
      play.delay = {};
      *play.response.mutable_grant()->mutable_lease_remaining() = ToProto(left_);
      // Every third try breaks first.
      if (tokens_ % 3 == 0) play.status = {StatusCode::UNAVAILABLE, "reset", ""};
      return play;
    });
    network_->renew.Always([this](const v1::RenewLeaseRequest& request) {
      {
        MutexLock lock(mutex_);
        if (++renewals_[request.fencing_token()] == 2) renewed_twice_.NotifyAll();
      }
      return Renewed(left_);
    });
    network_->record.Always(Recorded);
    network_->release.Always(Released(v1::CheckResultResponse::IN_DOUBT));
  }

  void AwaitTwoRenewals(std::uint64_t token) {
    MutexLock lock(mutex_);
    while (renewals_[token] < 2) renewed_twice_.Wait(mutex_);
  }

  template <typename Body>
  static void InThreads(int count, const Body& body) {
    std::vector<std::thread> threads;
    for (int i = 0; i < count; ++i) threads.emplace_back(body);
    for (std::thread& thread : threads) thread.join();
  }

  std::shared_ptr<SystemRuntime> machine_ = std::make_shared<SystemRuntime>();
  std::shared_ptr<FakeTransport> network_ = std::make_shared<FakeTransport>(machine_);
  std::atomic<std::uint64_t> tokens_ = 0;
  // Of a lease, in every answer. Set before the threads start.
  seconds left_ = kLease;
  Mutex mutex_;
  Condition renewed_twice_;
  std::map<std::uint64_t, int> renewals_ GUARDED_BY(mutex_);
};

TEST_F(ThreadsTest, RunOnce_FromManyThreadsOverOneClient) {
  Client client = MakeClient(machine_, network_);
  std::atomic<int> succeeded = 0;
  InThreads(8, [&] {
    for (int i = 0; i < 20; ++i) {
      const RunResult run = client.RunOnce("order:1", {}, [](Attempt& attempt) {
        EXPECT_NE(attempt.state(), LeaseState::kLost);
        EXPECT_TRUE(attempt.SaveCheckpoint("x").ok());
        return Succeeded({.provider_reference = std::to_string(attempt.fencing_token())});
      });
      if (run.status == RunResult::Status::kSucceeded) ++succeeded;
    }
  });
  EXPECT_EQ(succeeded, 160);
}

TEST_F(ThreadsTest, RunOnceAsync_FromManyThreadsOverOneClient) {
  Client client = MakeClient(machine_, network_);
  std::atomic<int> succeeded = 0;
  InThreads(4, [&] {
    std::vector<std::future<RunResult>> runs;
    for (int i = 0; i < 20; ++i) {
      const AsyncWork work = [](std::shared_ptr<Attempt> attempt, Callback<Outcome> done) {
        attempt->SaveCheckpointAsync("x", [attempt, done](const Answer<std::chrono::nanoseconds>&) {
          done(Succeeded({.provider_reference = attempt->downstream_idempotency_key()}));
        });
      };
      runs.push_back(
          AsFuture(client, &Client::RunOnceAsync, "order:1", AcquireOptions{}, work, AsyncWork()));
    }
    for (auto& run : runs) succeeded += run.get().status == RunResult::Status::kSucceeded ? 1 : 0;
  });
  EXPECT_EQ(succeeded, 80);
}

TEST_F(ThreadsTest, StopTokens_UsedWhileCallsComeAndGo) {
  Client client = MakeClient(machine_, network_);
  InThreads(4, [&] {
    for (int i = 0; i < 50; ++i) {
      std::stop_source stop;
      auto acquired = AsFuture(client, &Client::AcquireLockAsync, "order:1",
                               AcquireOptions{.stop = stop.get_token()});
      if (i % 2 == 0) std::this_thread::yield();
      stop.request_stop();
      const AcquireAnswer answer = acquired.get();
      if (!std::holds_alternative<Error>(answer)) continue;
      EXPECT_EQ(std::get<Error>(answer).reason, "CANCELLED");
    }
  });
}

TEST_F(ThreadsTest, Clients_DroppedByOthersAndByTheirCallbacks) {
  network_->check.Always(Checked(v1::CheckResultResponse::ABSENT));
  for (int i = 0; i < 40; ++i) {
    std::optional<Client> client = MakeClient(std::make_shared<SystemRuntime>(), network_);
    std::promise<void> heard;
    client->AcquireLockAsync("order:1", {}, nullptr);
    client->CheckResultAsync("order:1", {}, [&](const Answer<KeyStatus>&) {
      if (i % 2 == 0) client.reset();
      heard.set_value();
    });
    if (i % 2 == 1) client.reset();
    heard.get_future().wait();
  }
}

TEST_F(ThreadsTest, OnLost_IsHeardOnTheTimersThread) {
  network_->renew.Always(
      Failing<v1::RenewLeaseResponse>(Refusal(StatusCode::NOT_FOUND, "KEY_UNKNOWN")));
  Client client = MakeClient(machine_, network_);
  InThreads(4, [&] {
    AcquireAnswer acquired = client.AcquireLock("order:1", {.lease_duration = milliseconds(100)});
    // Renewed at once, as far as the service goes.
    std::promise<std::string> reason;
    std::get<Lease>(acquired).OnLost([&](std::string lost) {
      EXPECT_TRUE(LibraryThread::IsThis());
      reason.set_value(std::move(lost));
    });
    (void)std::get<Lease>(acquired).MarkEffectStarted();
    EXPECT_EQ(reason.get_future().get(), "KEY_UNKNOWN");
  });
}

TEST_F(ThreadsTest, Leases_AreRenewedWhileTheirHoldersLook) {
  Client client = MakeClient(machine_, network_);
  // Of 10 s only 6 are ever left: renewed at once, and again after a second.
  left_ = seconds(6);
  InThreads(4, [&] {
    const RunResult run =
        client.RunOnce("order:1", {.lease_duration = seconds(10)}, [&](Attempt& attempt) {
          AwaitTwoRenewals(attempt.fencing_token());
          EXPECT_NE(attempt.state(), LeaseState::kLost);
          EXPECT_GT(attempt.remaining(), seconds(0));
          EXPECT_TRUE(attempt.MarkEffectStarted().ok());
          return Succeeded({});
        });
    EXPECT_EQ(run.status, RunResult::Status::kSucceeded);
  });
}

TEST_F(ThreadsTest, EverythingMayGoWhileCallsAreUnderWay) {
  for (int i = 0; i < 20; ++i) {
    std::optional<Client> client = MakeClient(std::make_shared<SystemRuntime>(), network_);
    AcquireAnswer acquired = client->AcquireLock("order:1", {.lease_duration = milliseconds(100)});
    client.reset();
    std::thread other([lease = std::move(acquired)]() mutable {
      EXPECT_TRUE(std::get<Lease>(lease).SaveCheckpoint("x").ok());
      lease = Error{};
    });
    other.join();
  }
}

TEST_F(ThreadsTest, Destructors_ReturnOverATransportThatHangs) {
  network_->renew.Always(Frozen<v1::RenewLeaseResponse>());
  network_->release.Always(Frozen<v1::ReleaseResponse>());
  {
    Client client = MakeClient(machine_, network_);
    const AcquireAnswer acquired = client.AcquireLock("order:1", {.lease_duration = seconds(1)});
    ASSERT_TRUE(std::holds_alternative<Lease>(acquired));
  }
  EXPECT_TRUE(network_->shut_down);
}

}  // namespace
}  // namespace latchkey::inline client::internal
