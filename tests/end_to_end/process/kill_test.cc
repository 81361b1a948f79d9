// What is left after kill -9, and what an orderly end looks like.

#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "tests/end_to_end/process/program.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey {
namespace {

using State = v1::CheckResultResponse;

std::vector<std::string> StoreIn(const TemporaryDirectory& directory) {
  return {"--store=rocksdb:" + directory.store()};
}

TEST(KillTest, AcknowledgedGrantIsStillHeldByTheSameToken) {
  TemporaryDirectory directory;
  std::uint64_t token = 0;
  {
    RunningLatchkeyd server(StoreIn(directory));
    token = server.Acquire("order:1", "a1").value();
    server.Kill();
  }
  RunningLatchkeyd server(StoreIn(directory));
  EXPECT_EQ(server.Check("order:1").state(), State::HELD);
  EXPECT_EQ(server.Acquire("order:1", "a1"), token);
  EXPECT_EQ(server.Acquire("order:1", "a2"), std::nullopt);
  EXPECT_GT(server.Acquire("order:2", "a1").value(), token);
  EXPECT_TRUE(server.Record("order:1", token).ok());
}

TEST(KillTest, AcknowledgedResultIsReplayed) {
  TemporaryDirectory directory;
  {
    RunningLatchkeyd server(StoreIn(directory));
    ASSERT_TRUE(server.Record("order:1", server.Acquire("order:1", "a1").value(), "receipt").ok());
    server.Kill();
  }
  RunningLatchkeyd server(StoreIn(directory));
  const auto check = server.Check("order:1");
  EXPECT_EQ(check.state(), State::COMPLETED);
  EXPECT_EQ(check.result().payload(), "receipt");
}

// Callers go on while the server is killed again and again; whatever one of them was told must be
// so.
TEST(KillTest, NothingAcknowledgedIsLostUnderLoad) {
  constexpr int kKills = 5;
  constexpr int kCallers = 4;
  TemporaryDirectory directory;
  std::mutex mutex;
  std::map<std::string, std::uint64_t> recorded;  // by key, the token that recorded it
  std::set<std::uint64_t> tokens;
  std::size_t checked = 0;
  for (int kill = 0; kill < kKills; ++kill) {
    RunningLatchkeyd server(StoreIn(directory));
    for (const auto& [key, token] : recorded) {
      const auto check = server.Check(key);
      ASSERT_EQ(check.state(), State::COMPLETED) << "D1: " << key;
      ASSERT_EQ(check.result().fencing_token(), token) << "I2: " << key;
      ++checked;
    }
    std::atomic<int> flows = 0;
    std::vector<std::thread> callers;
    for (int caller = 0; caller < kCallers; ++caller) {
      callers.emplace_back([&, caller] {
        for (int i = 0;; ++i) {
          const std::string key = "order:" + std::to_string(kill) + ":" + std::to_string(caller) +
                                  ":" + std::to_string(i);
          const auto token = server.Acquire(key, "a1");
          if (!token.has_value()) return;
          {
            const std::lock_guard lock(mutex);
            ASSERT_TRUE(tokens.insert(*token).second) << "L3: token " << *token << " twice";
          }
          if (!server.Record(key, *token).ok()) return;
          const std::lock_guard lock(mutex);
          recorded[key] = *token;
          ++flows;
        }
      });
    }
    while (flows.load() < 50) std::this_thread::yield();
    server.Kill();
    for (auto& caller : callers) caller.join();
  }
  std::printf("kills=%d acknowledged=%zu checked=%zu\n", kKills, recorded.size(), checked);
  EXPECT_GE(recorded.size(), static_cast<std::size_t>(50 * kKills));
  EXPECT_GT(checked, 0u);
}

TEST(KillTest, OrderlyEndTellsWaitersAndExitsWithZero) {
  TemporaryDirectory directory;
  RunningLatchkeyd server(StoreIn(directory));
  ASSERT_TRUE(server.Acquire("order:1", "a1").has_value());
  grpc::ClientContext context;
  v1::AcquireLockRequest request;
  request.set_key("order:1");
  request.set_attempt_id("a2");
  request.mutable_lease_duration()->set_seconds(60);
  request.mutable_wait_timeout()->set_seconds(60);
  v1::AcquireLockResponse response;
  grpc::Status waited;
  std::thread waiter(
      [&] { waited = server.coordination().AcquireLock(&context, request, &response); });
  while (true) {
    grpc::ClientContext status_context;
    v1::GetServerStatusResponse status;
    ASSERT_TRUE(server.admin().GetServerStatus(&status_context, {}, &status).ok());
    if (status.waiters() == 1) break;
  }
  EXPECT_EQ(server.Terminate(), 0);
  waiter.join();
  EXPECT_EQ(waited.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(server.Log(), testing::HasSubstr("event=ended exit_code=0"));
}

}  // namespace
}  // namespace latchkey
