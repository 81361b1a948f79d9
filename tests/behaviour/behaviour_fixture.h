// A real server in this process, over each store in turn, called through real gRPC on a loopback
// port, by unary calls and over a session in turn. The cases beside this file say what
// docs/semantics.md promises, one sentence a test.
#pragma once

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "latchkey/v1/admin.grpc.pb.h"
#include "latchkey/v1/coordination.grpc.pb.h"
#include "server/service/server.h"
#include "storage/record_store.h"
#include "tests/support/temporary_directory.h"
#include <gmock/gmock.h>
#include <google/rpc/error_details.pb.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

namespace latchkey {

using std::chrono_literals::operator""h;
using std::chrono_literals::operator""min;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""ns;
using std::chrono_literals::operator""s;
using State = v1::CheckResultResponse;

// The machine's clocks, and as much ahead as a test asks for.
class ShiftedClock final : public Clock {
 public:
  MonotonicTime Monotonic() override { return clock_.Monotonic() + shift_.load(); }
  WallTime Wall() override { return clock_.Wall() + shift_.load(); }
  void Advance(Duration by) { shift_.store(shift_.load() + by); }

 private:
  SystemClock clock_;
  std::atomic<Duration> shift_ = Duration::zero();
};

class CountingObserver final : public PartitionObserver {
 public:
  void OnStep(const std::string&, const Step&) override { ++steps_; }
  void OnStall(Duration) override {}
  // Decisions so far, in all.
  int steps() const { return steps_.load(); }

 private:
  std::atomic<int> steps_ = 0;
};

// What a call came to: OK with its response, or a status with its refusal.
template <class Response>
struct Reply {
  grpc::Status status;
  Response response;

  const Response* operator->() const { return &response; }
  bool ok() const { return status.ok(); }
  // The reason of the ErrorInfo, checked for its domain; "OK", or the bare status code where there
  // is none.
  std::string reason() const;
  google::rpc::ErrorInfo info() const;
};

// The ErrorInfo of a status; empty where there is none.
std::optional<google::rpc::ErrorInfo> ErrorInfoOf(const grpc::Status& status);

class BehaviourTest : public testing::TestWithParam<const char*> {
 protected:
  BehaviourTest();
  ~BehaviourTest() override;

  // Starts the server (again) with these options; called by itself with the default ones on first
  // use.
  void StartServer(const std::function<void(ServerOptions&)>& change = [](ServerOptions&) {});
  // What is done to the store before the next start.
  std::function<void(storage::RecordStore&)> prepare_store = [](storage::RecordStore&) {};
  const TemporaryDirectory& directory() const { return directory_; }
  // Ends it cleanly; with RocksDB the records stay for the next StartServer.
  void StopServer();

  // Short forms; the request can be changed before it is sent.
  template <class Request>
  using Change = std::function<void(Request&)>;
  Reply<v1::AcquireLockResponse> Acquire(const std::string& key, const std::string& attempt_id,
                                         const Change<v1::AcquireLockRequest>& change = {});
  // Sends in the background.
  std::future<Reply<v1::AcquireLockResponse>> AcquireAsync(
      const std::string& key, const std::string& attempt_id,
      const Change<v1::AcquireLockRequest>& change = {});
  Reply<v1::RenewLeaseResponse> Renew(const std::string& key, std::uint64_t token,
                                      const Change<v1::RenewLeaseRequest>& change = {});
  Reply<v1::CheckResultResponse> Check(const std::string& key,
                                       const Change<v1::CheckResultRequest>& change = {});
  Reply<v1::RecordResultResponse> Record(const std::string& key, std::uint64_t token,
                                         const Change<v1::RecordResultRequest>& change = {});
  Reply<v1::ReleaseResponse> Release(
      const std::string& key, std::uint64_t token,
      v1::ReleaseRequest::Effect effect = v1::ReleaseRequest::EFFECT_UNSPECIFIED);
  v1::Record Get(const std::string& key);
  Reply<v1::ResolveOutcomeResponse> Resolve(const std::string& key, std::uint64_t token,
                                            v1::ResolveOutcomeRequest::Outcome outcome);
  Reply<v1::ForceReleaseResponse> ForceRelease(const std::string& key, std::uint64_t token);
  Reply<v1::DeleteRecordResponse> Delete(const std::string& key, std::uint64_t token);
  Reply<v1::ListRecordsResponse> List(const Change<v1::ListRecordsRequest>& change = {});

  // A grant that must succeed; its token.
  std::uint64_t MustAcquire(const std::string& key, const std::string& attempt_id,
                            const Change<v1::AcquireLockRequest>& change = {});
  // A key whose holder vanished: IN_DOUBT; the token it had.
  std::uint64_t MakeDoubtful(const std::string& key,
                             const Change<v1::AcquireLockRequest>& change = {});
  // Waits until the condition holds; fails the test after a generous while.
  void Await(const std::function<bool()>& condition, const std::string& what);
  void AwaitState(const std::string& key, State::State state);
  void AwaitWaiters(const std::string& key, std::uint32_t waiters);

  // From now on every call carries this bearer token; empty: none. Opens a new session, if calls go
  // over one.
  void ActAs(const std::string& token);

  Server& server() { return *server_; }
  v1::CoordinationService::Stub& coordination();
  v1::AdminService::Stub& admin();
  std::string address() const;
  const Server& server() const { return *server_; }
  ShiftedClock& clock() { return clock_; }
  const CountingObserver& observer() const { return observer_; }
  // Records outlive the server. What only a directory of our own can do: `on_disk`.
  bool durable() const { return on_disk() || over_etcd(); }
  bool on_disk() const { return std::string_view(GetParam()).starts_with("rocksdb"); }
  bool over_etcd() const { return std::string_view(GetParam()).starts_with("etcd"); }
  // Other servers may write to the store, too.
  bool shared() const { return over_etcd() || std::string_view(GetParam()).starts_with("shared"); }
  // The short forms go over a session; the stubs are unary always.
  bool over_session() const { return std::string_view(GetParam()).ends_with("session"); }

 private:
  class BlockingSession;
  template <class Request, class Response>
  Reply<Response> Send(const Request& request,
                       grpc::Status (v1::CoordinationService::Stub::*method)(grpc::ClientContext*,
                                                                             const Request&,
                                                                             Response*));

  ShiftedClock clock_;
  CountingObserver observer_;
  TemporaryDirectory directory_;
  // Under which everything of this test lies in etcd.
  const std::string etcd_prefix_;
  std::string token_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<v1::CoordinationService::Stub> coordination_;
  std::unique_ptr<BlockingSession> session_;
  std::unique_ptr<v1::AdminService::Stub> admin_;
};

// Every case of a file runs over every store; a program of their own runs them over stores that
// servers share.
#ifdef LATCHKEY_OVER_SHARED_STORES
#define LATCHKEY_TESTED_STORES testing::Values("shared", "shared_session", "etcd")
#else
#define LATCHKEY_TESTED_STORES \
  testing::Values("memory", "rocksdb", "memory_session", "rocksdb_session")
#endif
#define RUN_OVER_EVERY_STORE(Suite)                               \
  INSTANTIATE_TEST_SUITE_P(Stores, Suite, LATCHKEY_TESTED_STORES, \
                           [](const auto& parameter) { return std::string(parameter.param); })

template <class Response>
google::rpc::ErrorInfo Reply<Response>::info() const {
  return ErrorInfoOf(status).value_or(google::rpc::ErrorInfo());
}

template <class Response>
std::string Reply<Response>::reason() const {
  if (status.ok()) return "OK";
  const auto found = ErrorInfoOf(status);
  if (!found.has_value() || found->domain() != "latchkey") {
    return "no ErrorInfo, code " + std::to_string(status.error_code()) + ": " +
           status.error_message();
  }
  return found->reason();
}

}  // namespace latchkey
