// The end of a client with everything under way, over a real server that serves, is gone, or is
// frozen: bounded in time, and every callback is called. And after fork, where nothing can be
// ended.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <optional>
#include <vector>

#include "latchkey/client.h"
#include "latchkeyd_process.h"
#include <gtest/gtest.h>

namespace latchkey {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using Status = RunResult::Status;

// What is promised is two seconds for each; the rest is for slow machines. Everything under way
// here would take a minute or more.
constexpr seconds kBound(20);

enum class Server { kServing, kGone, kFrozen };

class DestructionTest : public testing::TestWithParam<Server> {
 protected:
  void LetTheServerBe() {
    if (GetParam() == Server::kGone) latchkeyd_.Kill();
    if (GetParam() == Server::kFrozen) latchkeyd_.Freeze();
  }

  LatchkeydProcess latchkeyd_{"memory:"};
  std::optional<Client> client_ =
      Client::Connect(latchkeyd_.address(), {.rpc_timeout = minutes(1)});
};

TEST_P(DestructionTest, WithEverythingUnderWay_IsBoundedAndEveryCallbackIsCalled) {
  AcquireAnswer held = client_->AcquireLock("order:1");
  ASSERT_TRUE(std::holds_alternative<Lease>(held));
  std::promise<void> begun;
  auto outcome = std::make_shared<std::promise<Callback<Outcome>>>();
  auto run = AsFuture(
      *client_, &Client::RunOnceAsync, "order:2", AcquireOptions{},
      [&](std::shared_ptr<Attempt>, Callback<Outcome> done) {
        outcome->set_value(std::move(done));
      },
      AsyncWork());
  Callback<Outcome> done = outcome->get_future().get();
  LetTheServerBe();
  const AcquireOptions patient{.wait_timeout = minutes(1), .acquire_timeout = minutes(1)};
  auto acquiring = AsFuture(*client_, &Client::AcquireLockAsync, "order:1", patient);
  auto checking = AsFuture(*client_, &Client::CheckResultAsync, "order:1",
                           CheckOptions{.wait_timeout = minutes(1), .timeout = minutes(1)});
  auto recording = AsFuture(std::get<Lease>(held), &Lease::RecordAsync, Succeeded({}));

  const auto began = std::chrono::steady_clock::now();
  held = Error{};
  client_.reset();
  // The work that runs keeps the connection, until it ends.
  done(Unknown("the client is to go"));
  done = nullptr;
  EXPECT_EQ(run.get().status, Status::kInDoubt);
  const AcquireAnswer acquired = acquiring.get();
  EXPECT_TRUE(std::holds_alternative<Error>(acquired) ||
              std::holds_alternative<Completed>(acquired));
  (void)checking.get();
  (void)recording.get();
  EXPECT_LT(std::chrono::steady_clock::now() - began, kBound);
}

TEST_P(DestructionTest, WithLeasesInHand_IsBounded) {
  std::vector<AcquireAnswer> leases;
  for (int i = 0; i < 3; ++i) {
    leases.push_back(client_->AcquireLock("order:" + std::to_string(i)));
    ASSERT_TRUE(std::holds_alternative<Lease>(leases.back()));
  }
  LetTheServerBe();
  const auto began = std::chrono::steady_clock::now();
  client_.reset();
  leases.clear();
  EXPECT_LT(std::chrono::steady_clock::now() - began, kBound);
}

TEST_P(DestructionTest, FromWithinACallback_IsBounded) {
  LetTheServerBe();
  auto waiting = AsFuture(*client_, &Client::CheckResultAsync, "order:1",
                          CheckOptions{.wait_timeout = minutes(1), .timeout = minutes(1)});
  std::promise<void> told;
  const auto began = std::chrono::steady_clock::now();
  client_->IssueKeyAsync({.timeout = seconds(0)}, [&](const Answer<std::string>&) {
    client_.reset();
    told.set_value();
  });
  told.get_future().wait();
  EXPECT_EQ(waiting.get().error().reason, "CLIENT_CLOSED");
  EXPECT_LT(std::chrono::steady_clock::now() - began, kBound);
}

std::string NameOf(const testing::TestParamInfo<Server>& info) {
  switch (info.param) {
    case Server::kServing:
      return "Serving";
    case Server::kGone:
      return "Gone";
    case Server::kFrozen:
      return "Frozen";
  }
  return "";
}

INSTANTIATE_TEST_SUITE_P(Servers, DestructionTest,
                         testing::Values(Server::kServing, Server::kGone, Server::kFrozen), NameOf);

// 0 if everything is as promised in a child process, else the number of the first thing that is
// not.
int InChild(std::optional<Client> client, AcquireAnswer held) {
  Lease& lease = std::get<Lease>(held);
  const auto refused = [](const std::optional<Error>& error) {
    return error && error->kind == Error::Kind::kRefused && error->reason == "CLIENT_AFTER_FORK";
  };
  const RunResult run = client->RunOnce("order:2", {}, [](Attempt&) { return Succeeded({}); });
  if (run.status != Status::kRefused || !refused(run.error)) return 1;
  if (!refused(client->CheckResult("order:1").error())) return 2;
  int called = 0;
  client->IssueKeyAsync({},
                        [&](const Answer<std::string>& key) { called += refused(key.error()); });
  if (called != 1) return 3;
  if (lease.state() != LeaseState::kLost || lease.remaining() != seconds(0)) return 4;
  if (lease.state_reason() != "CLIENT_AFTER_FORK") return 5;
  lease.OnLost([&](const std::string&) { ++called; });
  if (called != 2) return 6;
  if (!refused(lease.Record(Succeeded({})).error)) return 7;
  if (!refused(lease.Release(Effect::kUnknown).error())) return 8;
  if (!refused(lease.MarkEffectStarted().error())) return 9;
  if (client->undelivered() != 0 || client->outbox_error().empty()) return 10;
  if (client->InNamespace("other").CheckResult("order:1").ok()) return 11;
  held = Error{};
  client.reset();
  return 0;
}

int ExitCode(pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(ForkTest, InTheChildEverythingIsRefusedAndNothingHangs_TheParentGoesOn) {
  const LatchkeydProcess latchkeyd("memory:");
  std::optional<Client> client = Client::Connect(latchkeyd.address());
  AcquireAnswer held = client->AcquireLock("order:1");
  ASSERT_TRUE(std::holds_alternative<Lease>(held));
  const pid_t child = fork();
  if (child == 0) _exit(InChild(std::move(client), std::move(held)));
  EXPECT_EQ(ExitCode(child), 0);
  EXPECT_EQ(std::get<Lease>(held).state(), LeaseState::kHeld);
  EXPECT_EQ(std::get<Lease>(held).Record(Succeeded({})).status, RecordAnswer::Status::kRecorded);
}

TEST(ForkTest, WorkThatForks_IsConcludedByTheParentAlone) {
  const LatchkeydProcess latchkeyd("memory:");
  Client client = Client::Connect(latchkeyd.address());
  pid_t child = -1;
  const RunResult run = client.RunOnce("order:1", {}, [&](Attempt&) {
    child = fork();
    return Succeeded({.provider_reference = child == 0 ? "child" : "parent"});
  });
  if (child == 0) {
    const bool kept =
        run.status == Status::kUnrecorded && run.own && run.error->reason == "CLIENT_AFTER_FORK";
    _exit(kept ? 0 : 1);
  }
  EXPECT_EQ(ExitCode(child), 0);
  EXPECT_EQ(run.status, Status::kSucceeded);
  EXPECT_EQ(client.CheckResult("order:1")->result->provider_reference, "parent");
}

}  // namespace
}  // namespace latchkey
