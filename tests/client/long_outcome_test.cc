// What a killed process knew, and what waits are worth, over the real server.
#include <filesystem>
#include <future>
#include <iterator>
#include <stop_token>
#include <string>
#include <vector>

#include "latchkey/client.h"
#include "latchkeyd_process.h"
#include "tests/support/temporary_directory.h"
#include "tools/process/child_process.h"
#include <gtest/gtest.h>

namespace latchkey {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(OutboxAcrossKillsTest, WhatAKilledProcessKnew_TheNextOneDelivers) {
  const TemporaryDirectory directory;
  LatchkeydProcess latchkeyd("rocksdb:" + directory.store());
  const std::string outbox = directory / "outbox";
  auto worker = ChildProcess::Start(
      {.command = {WORKER, latchkeyd.address(), std::to_string(latchkeyd.pid()), outbox},
       .log = directory / "log"});
  ASSERT_TRUE(worker.ok());
  std::vector<std::string> lines;
  while (lines.empty() && worker->live()) {
    ChildProcess::WaitForOutput({&*worker}, seconds(60));
    lines = worker->TakeLines();
  }
  ASSERT_EQ(lines, std::vector<std::string>{"UNRECORDED delivering "});
  latchkeyd.Kill();
  worker->Kill();
  latchkeyd.Start();
  {
    Client next = Client::Connect(latchkeyd.address(), {.outbox_directory = outbox});
    const auto status = next.CheckResult("order:1", {.wait_timeout = minutes(1)});
    ASSERT_TRUE(status.ok()) << status.error().message;
    ASSERT_EQ(status->state, KeyStatus::State::kCompleted);
    EXPECT_EQ(status->result->provider_reference, "pay_1");
    EXPECT_EQ(status->result->payload, "thanks");
    while (next.undelivered() > 0) {
      (void)next.CheckResult("order:2", {.wait_timeout = milliseconds(50)});
    }
    EXPECT_EQ(next.outbox_error(), "");
  }
  EXPECT_TRUE(std::filesystem::is_empty(outbox));
}

TEST(LostLeaseTest, WorkThatOutlastsItsLeaseWhileTheServerIsGone_IsRecordedLate) {
  const TemporaryDirectory directory;
  LatchkeydProcess latchkeyd("rocksdb:" + directory.store());
  Client client = Client::Connect(latchkeyd.address());
  const auto in_doubt = [&] {
    const auto status = client.CheckResult("order:1", {.wait_timeout = milliseconds(50)});
    return status.ok() && status->state == KeyStatus::State::kInDoubt;
  };
  const RunResult run =
      client.RunOnce("order:1", {.lease_duration = seconds(1)}, [&](Attempt& attempt) {
        std::promise<std::string> lost;
        attempt.OnLost([&](std::string reason) { lost.set_value(std::move(reason)); });
        latchkeyd.Kill();
        EXPECT_EQ(lost.get_future().get(), "SAFE_UNTIL_REACHED");
        EXPECT_EQ(attempt.state(), LeaseState::kLost);
        latchkeyd.Start();
        while (!in_doubt()) {
        }
        return Succeeded({.provider_reference = "pay_1"});
      });
  ASSERT_EQ(run.status, RunResult::Status::kSucceeded);
  EXPECT_TRUE(run.result->late);
  EXPECT_FALSE(run.superseded);
}

TEST(CancelledWaitTest, IsOverAtOnceAndLeavesNoWaiterBehind) {
  LatchkeydProcess latchkeyd("memory:");
  Client client = Client::Connect(latchkeyd.address());
  AcquireAnswer held = client.AcquireLock("order:1");
  std::stop_source stop;
  auto waiting = AsFuture(client, &Client::AcquireLockAsync, "order:1",
                          AcquireOptions{.wait_timeout = minutes(10), .stop = stop.get_token()});
  const auto contention = [&] { return std::get<Contention>(client.AcquireLock("order:1")); };
  while (contention().waiters == 0) {
  }
  stop.request_stop();
  EXPECT_EQ(std::get<Error>(waiting.get()).reason, "CANCELLED");
  while (contention().waiters > 0) {
  }
  EXPECT_TRUE(std::get<Lease>(held).Release(Effect::kNotExecuted).ok());
  EXPECT_TRUE(std::holds_alternative<Lease>(client.AcquireLock("order:1"))) << "no grant leaked";
}

std::ptrdiff_t ThreadsOfThisProcess() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {});
}

TEST(ThousandLeasesTest, CostNoThreadEach) {
  LatchkeydProcess latchkeyd("memory:");
  Client client = Client::Connect(latchkeyd.address());
  const auto take = [&](int count, const std::string& prefix) {
    std::vector<std::future<AcquireAnswer>> answers;
    for (int i = 0; i < count; ++i) {
      answers.push_back(AsFuture(client, &Client::AcquireLockAsync, prefix + std::to_string(i),
                                 AcquireOptions{.on_lapse = OnLapse::kForget}));
    }
    std::vector<AcquireAnswer> leases;
    for (auto& answer : answers) leases.push_back(answer.get());
    return leases;
  };
  const std::vector<AcquireAnswer> ten = take(10, "a");
  const auto before = ThreadsOfThisProcess();
  std::vector<AcquireAnswer> thousand = take(1000, "b");
  for (AcquireAnswer& answer : thousand) {
    ASSERT_TRUE(std::holds_alternative<Lease>(answer));
    EXPECT_TRUE(std::get<Lease>(answer).Renew().ok());
  }
  EXPECT_LE(ThreadsOfThisProcess(), before + 16) << "gRPC's own come and go";
}

}  // namespace
}  // namespace latchkey
