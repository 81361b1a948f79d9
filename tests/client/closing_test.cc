// Clients that go while the real service is answering them: nothing is left held, nothing known is
// lost, and nothing is touched that is gone. What goes wrong there goes wrong in moments, so each
// is tried many times.
#include <atomic>
#include <future>
#include <memory>
#include <optional>
#include <vector>

#include "latchkey/client.h"
#include "latchkeyd_process.h"
#include <gtest/gtest.h>

namespace latchkey {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

class ClosingTest : public testing::Test {
 protected:
  static std::string Key(int round, int number) {
    return "order:" + std::to_string(round) + "." + std::to_string(number);
  }
  Client Connect() const { return Client::Connect(latchkeyd_.address()); }

  LatchkeydProcess latchkeyd_{"memory:"};
  // Looks at what the others left.
  Client witness_ = Connect();
};

TEST_F(ClosingTest, GrantsDecidedWhileTheirCallerGoes_AreFreeAgainAndInNoDoubt) {
  constexpr int kRounds = 50;
  constexpr int kKeys = 4;
  for (int round = 0; round < kRounds; ++round) {
    std::optional<Client> client = Connect();
    // So that the connection stands, and what follows is decided at once.
    ASSERT_TRUE(client->IssueKey().ok());
    for (int i = 0; i < kKeys; ++i) {
      // Nobody takes the lease where it comes in time: it would be dropped as UNKNOWN.
      client->AcquireLockAsync(Key(round, i), {.lease_duration = minutes(10)},
                               [](AcquireAnswer answer) {
                                 if (auto* lease = std::get_if<Lease>(&answer)) {
                                   lease->ReleaseAsync(Effect::kNotExecuted, nullptr);
                                 }
                               });
    }
    client.reset();
    for (int i = 0; i < kKeys; ++i) {
      const AcquireAnswer next = witness_.AcquireLock(Key(round, i), {.wait_timeout = seconds(30)});
      const Lease* const lease = std::get_if<Lease>(&next);
      ASSERT_NE(lease, nullptr) << Key(round, i) << " is still held by nobody";
      EXPECT_EQ(lease->mode(), Mode::kExecute);
    }
  }
}

TEST_F(ClosingTest, AWaitThatIsGivenUp_IsNotGrantedAfterwards) {
  for (int round = 0; round < 20; ++round) {
    AcquireAnswer held = witness_.AcquireLock(Key(round, 0));
    std::optional<Client> client = Connect();
    auto waiting = AsFuture(*client, &Client::AcquireLockAsync, Key(round, 0),
                            AcquireOptions{.wait_timeout = minutes(1)});
    client.reset();
    EXPECT_EQ(std::get<Error>(waiting.get()).reason, "CLIENT_CLOSED");
    EXPECT_EQ(std::get<Lease>(held).Release(Effect::kNotExecuted)->state,
              KeyStatus::State::kAbsent);
    const AcquireAnswer next = witness_.AcquireLock(Key(round, 0));
    EXPECT_TRUE(std::holds_alternative<Lease>(next)) << "granted to somebody who is gone";
  }
}

TEST_F(ClosingTest, OutcomesOnTheirWay_Arrive) {
  constexpr int kKeys = 10;
  {
    Client client = Connect();
    for (int i = 0; i < kKeys; ++i) {
      AcquireAnswer acquired = client.AcquireLock(Key(0, i));
      std::get<Lease>(acquired).RecordAsync(Succeeded({.provider_reference = "pay"}), nullptr);
    }
  }
  for (int i = 0; i < kKeys; ++i) {
    const Answer<KeyStatus> status = witness_.CheckResult(Key(0, i));
    EXPECT_EQ(status->state, KeyStatus::State::kCompleted) << Key(0, i);
  }
}

// Answers arrive, and their calls are taken down, while the calls under way are cancelled.
TEST_F(ClosingTest, CallsThatEndWhileTheyAreCancelled_AreNotTouchedAgain) {
  constexpr int kRounds = 100;
  constexpr int kCalls = 32;
  for (int round = 0; round < kRounds; ++round) {
    std::optional<Client> client = Connect();
    std::promise<void> first_answer;
    std::atomic<int> answers = 0;
    std::vector<std::future<Answer<KeyStatus>>> answered;
    for (int i = 0; i < kCalls; ++i) {
      auto promise = std::make_shared<std::promise<Answer<KeyStatus>>>();
      answered.push_back(promise->get_future());
      client->CheckResultAsync(Key(0, i), {}, [&, promise](Answer<KeyStatus> status) {
        if (++answers == 1) first_answer.set_value();
        promise->set_value(std::move(status));
      });
    }
    first_answer.get_future().wait();
    client.reset();
    for (auto& answer : answered) {
      const Answer<KeyStatus> status = answer.get();
      EXPECT_TRUE(status.ok() || status.error().reason == "CLIENT_CLOSED");
    }
  }
}

}  // namespace
}  // namespace latchkey
