// Outcomes on disk: written before they are sent, gone when they are confirmed, delivered by the
// next process otherwise, and set aside where they cannot be.
#include <dirent.h>
#include <dlfcn.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <vector>

#include "client_fixture.h"
#include "tests/support/temporary_directory.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {
// How many entries of directories can be read before reading fails.
thread_local std::optional<int> readable_entries;
// What was synced, by this thread.
thread_local std::vector<std::string> synced;
}  // namespace

// In place of the C library's, for this program and what it is linked to.
extern "C" dirent* readdir(DIR* directory) {
  if (readable_entries && --*readable_entries < 0) {
    errno = EIO;
    return nullptr;
  }
  static const auto real = reinterpret_cast<dirent* (*)(DIR*)>(dlsym(RTLD_NEXT, "readdir"));
  return real(directory);
}
extern "C" int fsync(int file) {
  synced.push_back(std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(file)));
  return static_cast<int>(syscall(SYS_fsync, file));
}

namespace latchkey::inline client::internal {
namespace {

namespace fs = std::filesystem;
using grpc::StatusCode;
using std::chrono::seconds;
using Status = RunResult::Status;
using testing::HasSubstr;
using testing::IsEmpty;

class OutboxTest : public ClientTest {
 protected:
  // A process of its own: its time and its client.
  struct Process {
    std::shared_ptr<FakeRuntime> runtime = std::make_shared<FakeRuntime>();
    std::shared_ptr<FakeTransport> transport = std::make_shared<FakeTransport>(runtime);
    std::optional<Client> client;
  };
  Process Start(std::uint64_t name, std::size_t undelivered_max = 1000) {
    Process process;
    // The first is the name of its directory.
    process.runtime->set_random(
        [random = name]() mutable { return std::exchange(random, random + 0x9E3779B97F4A7C15); });
    process.transport->acquire.Always(Granted());
    process.transport->renew.Always(Renewed());
    process.transport->record.Always(
        Failing<v1::RecordResultResponse>({StatusCode::UNAVAILABLE, "gone", ""}));
    process.transport->release.Always(Released(v1::CheckResultResponse::IN_DOUBT));
    process.client = MakeClient(process.runtime, process.transport,
                                {.undelivered_max = undelivered_max,
                                 .outbox_directory = outbox_,
                                 .on_undeliverable = [this](UndeliverableOutcome lost) {
                                   undeliverable_.push_back(std::move(lost));
                                 }});
    return process;
  }
  static RunResult Pay(Process& process, const std::string& key = "order:1") {
    return process.client->RunOnce(key, {.record_timeout = seconds(5)}, [](Attempt&) {
      return Succeeded({.code = "captured",
                        .provider_reference = "pay_1",
                        .content_type = "text/plain",
                        .payload = "thanks",
                        .retention = seconds(9)});
    });
  }
  // Dies with an outcome undelivered.
  void LeaveOneBehind(std::uint64_t name) {
    Process process = Start(name);
    EXPECT_TRUE(Pay(process).delivering);
    EXPECT_EQ(process.client->outbox_error(), "");
  }

  std::vector<std::string> FilesEnding(const std::string& ending) {
    std::vector<std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(outbox_)) {
      if (entry.path().extension() == ending) files.push_back(entry.path());
    }
    return files;
  }

  TemporaryDirectory directory_;
  const std::string outbox_ = directory_.path() + "/outbox";
  // What any of the processes was told.
  std::vector<UndeliverableOutcome> undeliverable_;
};

TEST_F(OutboxTest, IsWrittenBeforeTheFirstTryAndGoneWhenAcknowledged) {
  Process process = Start(1);
  process.transport->record.Always([&](const v1::RecordResultRequest& request) {
    EXPECT_EQ(FilesEnding(".outcome").size(), 1u);
    return Recorded(request);
  });
  EXPECT_EQ(Pay(process).status, Status::kSucceeded);
  EXPECT_THAT(FilesEnding(".outcome"), IsEmpty());
  process.client.reset();
  EXPECT_TRUE(fs::is_empty(outbox_)) << "nothing is left of a process that left nothing";
}

TEST_F(OutboxTest, WhatAPredecessorKnew_IsDelivered) {
  LeaveOneBehind(1);
  ASSERT_EQ(FilesEnding(".outcome").size(), 1u);
  Process next = Start(2);
  EXPECT_EQ(next.client->undelivered(), 1u);
  EXPECT_EQ(next.transport->record.count(), 0u);
  next.transport->record.Always(Recorded);
  next.runtime->Advance(seconds(5));
  EXPECT_EQ(next.client->undelivered(), 0u);
  const v1::RecordResultRequest sent = next.transport->record.seen().at(0);
  EXPECT_EQ(sent.namespace_(), "shop/charge");
  EXPECT_EQ(sent.key(), "order:1");
  EXPECT_EQ(sent.fencing_token(), 7u);
  EXPECT_EQ(sent.outcome(), v1::Result::SUCCEEDED);
  EXPECT_EQ(sent.code(), "captured");
  EXPECT_EQ(sent.provider_reference(), "pay_1");
  EXPECT_EQ(sent.content_type(), "text/plain");
  EXPECT_EQ(sent.payload(), "thanks");
  EXPECT_EQ(sent.retention().seconds(), 9);
  EXPECT_THAT(FilesEnding(".outcome"), IsEmpty());
  next.client.reset();
  EXPECT_TRUE(fs::is_empty(outbox_));
}

TEST_F(OutboxTest, IsHandedOnUntilSomebodyDeliversIt) {
  LeaveOneBehind(1);
  {
    Process second = Start(2);
    second.runtime->Advance(seconds(30));
    EXPECT_EQ(second.client->undelivered(), 1u);
  }
  Process third = Start(3);
  third.transport->record.Always(Recorded);
  third.runtime->Advance(seconds(5));
  EXPECT_EQ(third.transport->record.count(), 1u);
  EXPECT_THAT(FilesEnding(".outcome"), IsEmpty());
}

TEST_F(OutboxTest, HundredsLeftBehind_AreAllDelivered) {
  {
    Process process = Start(1);
    for (int i = 0; i < 100; ++i)
      EXPECT_TRUE(Pay(process, "order:" + std::to_string(i)).delivering);
  }
  Process next = Start(2);
  EXPECT_EQ(next.client->undelivered(), 100u);
  next.transport->record.Always(Recorded);
  next.runtime->Advance(seconds(60));
  EXPECT_EQ(next.client->undelivered(), 0u);
  std::set<std::string> keys;
  for (const auto& sent : next.transport->record.seen()) keys.insert(sent.key());
  EXPECT_EQ(keys.size(), 100u);
}

TEST_F(OutboxTest, AboveTheLimit_WaitsOnTheDiskAndIsDeliveredByTheSameProcess) {
  Process process = Start(1, 2);
  for (int i = 0; i < 40; ++i) {
    const RunResult run = Pay(process, "order:" + std::to_string(i));
    EXPECT_TRUE(run.delivering);
    EXPECT_NE(run.error->reason, "UNDELIVERED_LIMIT");
  }
  EXPECT_EQ(process.client->undelivered(), 40u);
  const std::size_t renewals = process.transport->renew.count();
  process.runtime->Advance(seconds(30));
  EXPECT_EQ(process.client->undelivered(), 40u);
  EXPECT_GE(process.transport->renew.count(), renewals + 40) << "with their leases";
  process.transport->record.Always(Recorded);
  process.runtime->Advance(seconds(60));
  EXPECT_EQ(process.client->undelivered(), 0u);
  EXPECT_THAT(FilesEnding(".outcome"), IsEmpty());
  const std::size_t after = process.transport->renew.count();
  process.runtime->Advance(seconds(60));
  EXPECT_EQ(process.transport->renew.count(), after) << "no lease is kept longer";
}

TEST_F(OutboxTest, AboveTheLimit_WhatWaitsOutlivesTheProcess) {
  {
    Process process = Start(1, 0);
    for (int i = 0; i < 40; ++i) EXPECT_TRUE(Pay(process, "order:" + std::to_string(i)).delivering);
  }
  Process next = Start(2);
  EXPECT_EQ(next.client->undelivered(), 40u);
  next.transport->record.Always(Recorded);
  next.runtime->Advance(seconds(60));
  EXPECT_EQ(next.client->undelivered(), 0u);
}

TEST_F(OutboxTest, AboveTheLimit_DamagedMeanwhileItIsSetAsideAndEnds) {
  Process process = Start(1, 0);
  EXPECT_TRUE(Pay(process).delivering);
  std::ofstream(FilesEnding(".outcome").at(0)) << "x";
  process.runtime->Advance(seconds(30));
  EXPECT_EQ(process.client->undelivered(), 0u);
  EXPECT_EQ(FilesEnding(".damaged").size(), 1u);
  ASSERT_EQ(undeliverable_.size(), 1u);
  EXPECT_EQ(undeliverable_[0].error.reason, "OUTCOME_DAMAGED");
  EXPECT_THAT(undeliverable_[0].error.message, HasSubstr(".outcome"));
  EXPECT_FALSE(undeliverable_[0].outcome);
  const std::size_t renewals = process.transport->renew.count();
  process.runtime->Advance(seconds(60));
  EXPECT_EQ(process.transport->renew.count(), renewals);
}

TEST_F(OutboxTest, ALivingProcess_IsLeftAlone) {
  Process living = Start(1);
  EXPECT_TRUE(Pay(living).delivering);
  Process other = Start(2);
  EXPECT_EQ(other.client->undelivered(), 0u);
  other.runtime->Advance(seconds(60));
  other.client.reset();
  EXPECT_EQ(other.transport->record.count(), 0u);
  EXPECT_EQ(FilesEnding(".outcome").size(), 1u);
}

TEST_F(OutboxTest, Refused_IsRemovedWhereItWasHeardAndSetAsideWhereNot) {
  for (const char* heard : {"STALE_FENCING_TOKEN", "RESULT_CONFLICT"}) {
    Process process = Start(1);
    process.transport->record.Always(
        Failing<v1::RecordResultResponse>(Refusal(StatusCode::FAILED_PRECONDITION, heard)));
    EXPECT_FALSE(Pay(process).delivering);
    EXPECT_THAT(FilesEnding(".outcome"), IsEmpty());
    EXPECT_THAT(FilesEnding(".refused"), IsEmpty());
  }
  Process process = Start(2);
  process.transport->record.Always(
      Failing<v1::RecordResultResponse>(Refusal(StatusCode::NOT_FOUND, "KEY_UNKNOWN")));
  EXPECT_EQ(Pay(process).error->reason, "KEY_UNKNOWN");
  EXPECT_THAT(FilesEnding(".outcome"), IsEmpty());
  EXPECT_EQ(FilesEnding(".refused").size(), 1u);
  EXPECT_THAT(process.client->outbox_error(), HasSubstr("KEY_UNKNOWN"));
  process.client.reset();
  Process next = Start(3);
  EXPECT_EQ(next.client->undelivered(), 0u);
}

TEST_F(OutboxTest, WhatAPredecessorKnewAndNobodyTakes_IsSetAsideAndTold) {
  LeaveOneBehind(1);
  Process next = Start(2);
  next.transport->record.Always(
      Failing<v1::RecordResultResponse>(Refusal(StatusCode::NOT_FOUND, "KEY_UNKNOWN")));
  next.runtime->Advance(seconds(5));
  EXPECT_EQ(FilesEnding(".refused").size(), 1u);
  ASSERT_EQ(undeliverable_.size(), 1u);
  EXPECT_EQ(undeliverable_[0].key, "order:1");
  EXPECT_EQ(undeliverable_[0].outcome->fields().provider_reference, "pay_1");
  EXPECT_EQ(undeliverable_[0].error.reason, "KEY_UNKNOWN");
}

TEST_F(OutboxTest, DamagedFiles_AreSetAsideAndHoldNothingUp) {
  LeaveOneBehind(1);
  const std::string good = FilesEnding(".outcome").at(0);
  const std::string place = fs::path(good).parent_path();
  std::ifstream stream(good, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(stream)), {});
  std::vector<std::string> bad = {"", "latchkey", bytes.substr(0, bytes.size() - 1), bytes + "x"};
  for (std::size_t at = 0; at < bytes.size(); at += 7) {
    bad.push_back(bytes);
    bad.back()[at] = static_cast<char>(bad.back()[at] ^ 0x20);
  }
  for (std::size_t i = 0; i < bad.size(); ++i) {
    std::ofstream(place + "/" + std::to_string(i) + "x.outcome", std::ios::binary) << bad[i];
  }
  std::ofstream(place + "/0x.new", std::ios::binary) << bytes.substr(0, 40);
  fs::copy_file(good, place + "/1x.new");
  Process next = Start(2);
  next.transport->record.Always(Recorded);
  next.runtime->Advance(seconds(60));
  EXPECT_EQ(next.client->undelivered(), 0u);
  EXPECT_EQ(next.transport->record.count(), 2u) << "the good one, and one that was all written";
  EXPECT_EQ(FilesEnding(".damaged").size() + 1, bad.size() + 1) << "two are named alike";
  EXPECT_THAT(next.client->outbox_error(), HasSubstr("set aside"));
  next.client.reset();
  Process after = Start(3);
  EXPECT_EQ(after.client->undelivered(), 0u) << "they are not read again";
  EXPECT_THAT(FilesEnding(".damaged"), testing::Not(IsEmpty()));
}

// The kernel fails writes beyond a limit as it does on a full disk: in the middle of one.
TEST_F(OutboxTest, FullDisk_DeliversFromMemoryAndSaysSo) {
  Process process = Start(1);
  const auto handler = signal(SIGXFSZ, SIG_IGN);
  rlimit before;
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit full{.rlim_cur = 10, .rlim_max = before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &full);
  const RunResult run = Pay(process);
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, handler);
  EXPECT_TRUE(run.delivering);
  EXPECT_THAT(process.client->outbox_error(), HasSubstr("cannot write"));
  EXPECT_THAT(FilesEnding(".outcome"), IsEmpty());
  EXPECT_THAT(FilesEnding(".new"), IsEmpty());
  process.transport->record.Always(Recorded);
  process.runtime->Advance(seconds(10));
  EXPECT_EQ(process.client->undelivered(), 0u);
}

TEST_F(OutboxTest, WhatAProcessLeavesThatDiesLater_IsDeliveredToo) {
  Process old = Start(1);
  EXPECT_TRUE(Pay(old).delivering);
  Process next = Start(2);
  next.transport->record.Always(Recorded);
  next.runtime->Advance(std::chrono::minutes(5));
  EXPECT_EQ(next.transport->record.count(), 0u) << "the old one lives";
  old.client.reset();
  next.runtime->Advance(std::chrono::minutes(1));
  EXPECT_EQ(next.transport->record.count(), 1u);
  EXPECT_EQ(next.client->undelivered(), 0u);
  next.runtime->Advance(std::chrono::minutes(1));
  EXPECT_EQ(next.transport->record.count(), 1u);
  EXPECT_EQ(std::distance(fs::directory_iterator(outbox_), {}), 1) << "the old one's is removed";
}

TEST_F(OutboxTest, TextsOfMegabytes_AreCutAndArrive) {
  {
    Process process = Start(1);
    const std::string huge(std::size_t{5} << 20, '\xFF');
    const RunResult run =
        process.client->RunOnce("order:1", {.record_timeout = seconds(5)}, [&](Attempt&) {
          return Rejected({.code = huge,
                           .provider_reference = "pay_1" + huge,
                           .content_type = huge,
                           .payload = huge});
        });
    EXPECT_TRUE(run.delivering);
    EXPECT_LT(process.transport->record.seen().at(0).ByteSizeLong(), std::size_t{2} << 20);
  }
  Process next = Start(2);
  next.transport->record.Always(Recorded);
  next.runtime->Advance(seconds(5));
  ASSERT_EQ(next.transport->record.count(), 1u);
  const v1::RecordResultRequest sent = next.transport->record.seen().at(0);
  EXPECT_EQ(sent.outcome(), v1::Result::REJECTED);
  EXPECT_THAT(sent.provider_reference(), testing::StartsWith("pay_1"));
  EXPECT_GE(sent.code().size(), 4096u) << "above the service's limit, so that it says truncated";
  EXPECT_THAT(FilesEnding(".damaged"), IsEmpty());
}

TEST_F(OutboxTest, WhatTheDeadLeftEmpty_IsRemoved) {
  const std::string name = "4711-0123456789abcdef";
  const auto leave = [&](const std::string& directory, bool locked) {
    fs::create_directories(outbox_ + "/" + directory);
    if (locked) std::ofstream(outbox_ + "/" + directory + "/lock");
    fs::last_write_time(outbox_ + "/" + directory,
                        fs::file_time_type::clock::now() - std::chrono::hours(2));
  };
  for (const bool locked : {false, true}) {
    leave(name, locked);
    leave("." + name, locked);
    Start(1).client.reset();
    EXPECT_TRUE(fs::is_empty(outbox_)) << locked;
  }
}

TEST_F(OutboxTest, WhatIsBeingOpenedOrIsNotOurs_IsLeftAlone) {
  for (const char* other : {".4711-0123456789abcdef", "lost+found", "notes-of-last-winter",
                            "4711-0123456789abcdef.old", ".snapshot"}) {
    fs::create_directories(outbox_ + "/" + other);
  }
  Start(1).client.reset();
  std::size_t left = 0;
  for (const auto& entry : fs::directory_iterator(outbox_)) {
    EXPECT_TRUE(fs::is_empty(entry)) << entry.path();
    ++left;
  }
  EXPECT_EQ(left, 5u);
}

TEST_F(OutboxTest, EveryNameOnTheWayToAnOutcome_IsSynced) {
  for (std::uint64_t name = 1; name <= 2; ++name) {
    synced.clear();
    Process process = Start(name);
    EXPECT_THAT(synced, testing::ElementsAre(directory_.path(), outbox_));
    synced.clear();
    EXPECT_TRUE(Pay(process).delivering);
    ASSERT_EQ(synced.size(), 2u);
    EXPECT_THAT(synced[0], testing::EndsWith(".new"));
    EXPECT_EQ(synced[1], fs::path(synced[0]).parent_path());
  }
}

TEST_F(OutboxTest, AFailingDisk_FailsNoConstructorAndLosesNothing) {
  for (std::uint64_t name = 1; name <= 3; ++name) LeaveOneBehind(name);
  for (int readable = 0; readable < 30; ++readable) {
    readable_entries = readable;
    Process process = Start(10);
    process.client.reset();
    EXPECT_LT(*readable_entries, readable) << "nothing was read";
    readable_entries.reset();
    EXPECT_EQ(FilesEnding(".outcome").size(), 3u);
    fs::remove_all(outbox_ + "/" + std::to_string(getpid()) + "-000000000000000a");
  }
  Process next = Start(11);
  EXPECT_EQ(next.client->undelivered(), 3u);
}

TEST_F(OutboxTest, ADirectoryThatCannotBeMade_IsSaid) {
  const Client client = MakeOther({.outbox_directory = directory_.path() + "/missing/outbox"});
  EXPECT_THAT(client.outbox_error(), HasSubstr("missing/outbox: No such file or directory"));
}

}  // namespace
}  // namespace latchkey::inline client::internal
