// Several latchkeyd over one etcd cluster, each a process of its own.

#include <chrono>
#include <future>
#include <set>
#include <thread>

#include "latchkey/client.h"
#include "tests/end_to_end/process/program.h"
#include "tools/process/etcd_cluster.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey {
namespace {

using std::chrono_literals::operator""s;
using SteadyClock = std::chrono::steady_clock;
using State = v1::CheckResultResponse;

constexpr auto kPatience = 30s;

class ClusterTest : public testing::Test {
 protected:
  void StartCluster(int members) {
    auto started = EtcdCluster::Start(directory_.path(), {.members = members});
    ASSERT_TRUE(started.ok()) << started.status();
    etcd_ = *std::move(started);
  }
  std::unique_ptr<RunningLatchkeyd> StartServer() {
    if (etcd_ == nullptr) StartCluster(1);
    return std::make_unique<RunningLatchkeyd>(
        std::vector<std::string>{"--store=" + etcd_->store_name()});
  }

  struct Acquired {
    grpc::Status status;
    v1::AcquireLockResponse response;
    std::uint64_t token() const { return response.grant().fencing_token(); }
  };
  static Acquired Acquire(
      RunningLatchkeyd& server, const std::string& key, const std::string& attempt_id,
      std::chrono::milliseconds lease = 30s, std::chrono::seconds wait = 0s,
      v1::AcquireLockRequest::OnLapse on_lapse = v1::AcquireLockRequest::IN_DOUBT) {
    v1::AcquireLockRequest request;
    request.set_key(key);
    request.set_attempt_id(attempt_id);
    request.mutable_lease_duration()->set_seconds(lease.count() / 1000);
    request.mutable_lease_duration()->set_nanos(
        static_cast<std::int32_t>(lease.count() % 1000 * 1'000'000));
    request.mutable_wait_timeout()->set_seconds(wait.count());
    request.set_on_lapse(on_lapse);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kPatience);
    Acquired acquired;
    acquired.status = server.coordination().AcquireLock(&context, request, &acquired.response);
    return acquired;
  }
  static grpc::Status Renew(RunningLatchkeyd& server, const std::string& key, std::uint64_t token,
                            const std::string& checkpoint = "") {
    v1::RenewLeaseRequest request;
    request.set_key(key);
    request.set_fencing_token(token);
    if (!checkpoint.empty()) request.set_checkpoint(checkpoint);
    grpc::ClientContext context;
    v1::RenewLeaseResponse response;
    return server.coordination().RenewLease(&context, request, &response);
  }
  static grpc::Status Release(RunningLatchkeyd& server, const std::string& key,
                              std::uint64_t token) {
    v1::ReleaseRequest request;
    request.set_key(key);
    request.set_fencing_token(token);
    grpc::ClientContext context;
    v1::ReleaseResponse response;
    return server.coordination().Release(&context, request, &response);
  }

  TemporaryDirectory directory_;
  std::unique_ptr<EtcdCluster> etcd_;
};

// A stream of WatchRecords at one server.
class Watch {
 public:
  explicit Watch(RunningLatchkeyd& server, std::uint64_t after_revision = 0) {
    v1::WatchRecordsRequest request;
    request.set_after_revision(after_revision);
    context_.set_deadline(std::chrono::system_clock::now() + kPatience);
    reader_ = server.admin().WatchRecords(&context_, request);
  }
  ~Watch() {
    context_.TryCancel();
    v1::WatchRecordsResponse ignored;
    while (reader_->Read(&ignored)) {
    }
  }

  // The keys that there are; what comes next is what changes.
  std::vector<std::string> ReadPresent() {
    std::vector<std::string> keys;
    v1::WatchRecordsResponse response;
    while (reader_->Read(&response) && response.revision() == 0) {
      keys.push_back(response.record().key());
    }
    revision_ = response.revision();
    return keys;
  }
  // The next so many changes; "missed" stands for those that are not known any more.
  std::vector<std::string> Read(std::size_t count) {
    std::vector<std::string> changes;
    v1::WatchRecordsResponse response;
    while (changes.size() < count && reader_->Read(&response)) {
      EXPECT_GE(response.revision(), revision_);
      revision_ = response.revision();
      if (response.missed_changes()) changes.emplace_back("missed");
      if (!response.has_record()) continue;
      changes.push_back(response.record().key() + " " +
                        State::State_Name(response.record().state()) +
                        response.record().checkpoint());
    }
    return changes;
  }
  std::uint64_t revision() const { return revision_; }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::WatchRecordsResponse>> reader_;
  std::uint64_t revision_ = 0;
};

TEST_F(ClusterTest, OfCallersOnAllServersOneIsGrantedEachKey) {
  constexpr int kServers = 3;
  constexpr int kKeys = 50;
  std::vector<std::unique_ptr<RunningLatchkeyd>> servers;
  for (int i = 0; i < kServers; ++i) servers.push_back(StartServer());
  std::vector<std::vector<std::uint64_t>> tokens(kServers);
  std::vector<std::thread> callers;
  for (int i = 0; i < kServers; ++i) {
    callers.emplace_back([&, i] {
      for (int key = 0; key < kKeys; ++key) {
        const Acquired acquired = Acquire(*servers[static_cast<std::size_t>(i)],
                                          "k" + std::to_string(key), "attempt" + std::to_string(i));
        EXPECT_TRUE(acquired.status.ok()) << acquired.status.error_message();
        tokens[static_cast<std::size_t>(i)].push_back(acquired.token());
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  std::set<std::uint64_t> all;
  for (std::size_t key = 0; key < kKeys; ++key) {
    int grants = 0;
    for (const auto& of_server : tokens) {
      if (of_server[key] == 0) continue;
      ++grants;
      EXPECT_TRUE(all.insert(of_server[key]).second) << "a token was given twice";
    }
    EXPECT_EQ(grants, 1) << key;
  }
}

TEST_F(ClusterTest, AWaiterIsWokenByAReleaseThroughAnotherServer) {
  const auto a = StartServer();
  const auto b = StartServer();
  const std::uint64_t token = Acquire(*a, "k", "one").token();
  ASSERT_NE(token, 0u);
  auto waiting = std::async(std::launch::async, [&] { return Acquire(*b, "k", "two", 30s, 25s); });
  // It waits when its server says so.
  for (;;) {
    v1::GetServerStatusResponse status;
    grpc::ClientContext context;
    ASSERT_TRUE(b->admin().GetServerStatus(&context, {}, &status).ok());
    if (status.waiters() == 1) break;
  }
  const auto released = SteadyClock::now();
  EXPECT_TRUE(Release(*a, "k", token).ok());
  EXPECT_GT(waiting.get().token(), token);
  EXPECT_LT(SteadyClock::now() - released, 10s) << "woken, and not timed out";
}

TEST_F(ClusterTest, ALeaseLivesThroughAnotherServerAndEndsThere) {
  auto a = StartServer();
  const auto b = StartServer();
  const std::uint64_t token = Acquire(*a, "k", "one", 2s).token();
  const std::uint64_t other =
      Acquire(*a, "mutex", "one", 2s, 0s, v1::AcquireLockRequest::FORGET).token();
  ASSERT_NE(token, 0u);
  a->Kill();
  const auto killed = SteadyClock::now();
  EXPECT_TRUE(Renew(*b, "k", token).ok());
  const Acquired replayed = Acquire(*b, "k", "one", 2s);
  EXPECT_EQ(replayed.token(), token);
  EXPECT_TRUE(replayed.response.grant().replayed());
  const Acquired next = Acquire(*b, "mutex", "two", 2s, 20s);
  EXPECT_GT(next.token(), other) << next.status.error_message();
  EXPECT_LT(SteadyClock::now() - killed, 2 * 2s + 1s);
  while (b->Check("k").state() == State::HELD) {
    ASSERT_LT(SteadyClock::now() - killed, kPatience);
  }
  EXPECT_EQ(b->Check("k").state(), State::IN_DOUBT);
  EXPECT_TRUE(b->Record("k", token).ok()) << "late, and still the newest";
}

TEST_F(ClusterTest, AResultIsThereOnEveryServer) {
  const auto a = StartServer();
  const auto b = StartServer();
  const std::uint64_t token = Acquire(*a, "k", "one").token();
  EXPECT_TRUE(b->Record("k", token, "receipt").ok());
  EXPECT_TRUE(Acquire(*a, "k", "two").response.has_completed());
  EXPECT_EQ(a->Check("k").result().payload(), "receipt");
}

TEST_F(ClusterTest, AWatchAtOneServerShowsWhatIsDoneThroughAnotherAndGoesOnAtAThird) {
  auto a = StartServer();
  const auto b = StartServer();
  const std::uint64_t mutex = Acquire(*b, "mutex", "one").token();
  auto watch = std::make_unique<Watch>(*a);
  EXPECT_THAT(watch->ReadPresent(), testing::ElementsAre("mutex"));
  const std::uint64_t token = Acquire(*b, "k", "one").token();
  EXPECT_TRUE(Renew(*b, "k", token, " half").ok());
  EXPECT_TRUE(b->Record("k", token, "receipt").ok());
  EXPECT_TRUE(Release(*a, "mutex", mutex).ok());
  EXPECT_THAT(watch->Read(4),
              testing::ElementsAre("k HELD", "k HELD half", "k COMPLETED half", "mutex ABSENT"));
  const std::uint64_t seen = watch->revision();
  watch.reset();
  a->Kill();
  EXPECT_NE(Acquire(*b, "later", "one").token(), 0u);
  const auto c = StartServer();
  Watch resumed(*c, seen);
  EXPECT_THAT(resumed.Read(1), testing::ElementsAre("later HELD"));
  EXPECT_NE(Acquire(*b, "last", "one").token(), 0u);
  EXPECT_THAT(resumed.Read(1), testing::ElementsAre("last HELD"));
  Watch unknown(*c, 1);
  EXPECT_THAT(unknown.Read(1), testing::ElementsAre("missed"));
}

TEST_F(ClusterTest, AWatchGoesOnWhenEtcdIsBack) {
  const auto server = StartServer();
  Watch watch(*server);
  EXPECT_THAT(watch.ReadPresent(), testing::IsEmpty());
  etcd_->process(0).Kill();
  ASSERT_TRUE(etcd_->Restart(0).ok());
  const auto begun = SteadyClock::now();
  while (Acquire(*server, "k", "one").token() == 0) {
    ASSERT_LT(SteadyClock::now() - begun, kPatience);
  }
  EXPECT_THAT(watch.Read(1), testing::ElementsAre("k HELD"));
}

TEST_F(ClusterTest, WithoutEtcdNothingIsPromisedAndServiceComesBackByItself) {
  const auto server = StartServer();
  const std::uint64_t token = Acquire(*server, "k", "one").token();
  etcd_->process(0).Kill();
  const Acquired away = Acquire(*server, "k2", "one");
  EXPECT_EQ(away.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  ASSERT_TRUE(etcd_->Restart(0).ok());
  Acquired back;
  const auto begun = SteadyClock::now();
  do {
    back = Acquire(*server, "k2", "one");
    ASSERT_LT(SteadyClock::now() - begun, kPatience) << back.status.error_message();
  } while (!back.status.ok());
  EXPECT_GT(back.token(), token);
  EXPECT_TRUE(server->Record("k", token).ok());
  EXPECT_EQ(server->Terminate(), 0);
}

TEST_F(ClusterTest, AMemberThatDiesTakesNothingWithIt) {
  StartCluster(3);
  const auto server = StartServer();
  std::uint64_t last = Acquire(*server, "k", "one").token();
  for (std::size_t victim = 0; victim < 3; ++victim) {
    etcd_->process(victim).Kill();
    const auto killed = SteadyClock::now();
    Acquired next;
    do {
      next = Acquire(*server, "k" + std::to_string(victim), "one");
      ASSERT_LT(SteadyClock::now() - killed, kPatience) << next.status.error_message();
    } while (!next.status.ok());
    EXPECT_GT(next.token(), last);
    last = next.token();
    ASSERT_TRUE(etcd_->Restart(victim).ok());
    ASSERT_TRUE(etcd_->Await(victim).ok());
  }
}

TEST_F(ClusterTest, AClientGoesOnThroughAnotherServerWithItsLease) {
  auto a = StartServer();
  const auto b = StartServer();
  Client client = Client::Connect(a->address() + "," + b->address());
  auto answer = client.AcquireLock("k", {.lease_duration = 3s});
  ASSERT_TRUE(std::holds_alternative<Lease>(answer));
  auto& lease = std::get<Lease>(answer);
  const auto validity = lease.safe_until();
  a->Kill();
  const auto killed = SteadyClock::now();
  const RunResult run =
      client.RunOnce("k2", {}, [](Attempt&) { return Succeeded({.code = "ok"}); });
  EXPECT_EQ(run.status, RunResult::Status::kSucceeded);
  EXPECT_LT(SteadyClock::now() - killed, 5s);
  while (lease.safe_until() == validity) {
    ASSERT_LT(SteadyClock::now() - killed, kPatience) << lease.state_reason();
  }
  EXPECT_EQ(lease.state(), LeaseState::kHeld) << lease.state_reason();
  EXPECT_TRUE(b->Record("k", lease.fencing_token()).ok());
}

TEST_F(ClusterTest, AnEtcdThatIsNotThereIsSaidAtTheStart) {
  const Ended ended = RunLatchkeyd({"--store=etcd://127.0.0.1:1", "--listen-address=127.0.0.1:0"});
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_THAT(ended.standard_error, testing::HasSubstr("etcd"));
}

}  // namespace
}  // namespace latchkey
