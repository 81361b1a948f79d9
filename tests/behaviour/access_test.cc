// Who may do what, and that nobody learns anything of a key by being refused.

#include <map>
#include <set>
#include <vector>

#include "server/access/access_rules.h"
#include "tests/behaviour/behaviour_fixture.h"
#include "tests/behaviour/raw_session.h"
#include <grpc/health/v1/health.pb.h>
#include <grpcpp/impl/client_unary_call.h>

namespace latchkey {
namespace {

constexpr char kShop[] = "shop";

struct Grant {
  const char* token;
  const char* name_space;  // "*": all
  Role role;
};

std::shared_ptr<const AccessRules> RulesOf(const std::vector<Grant>& grants) {
  auto rules = std::make_shared<AccessRules>();
  for (const Grant& grant : grants) {
    Identity identity{std::string("who has ") + grant.token, {}};
    if (std::string_view(grant.name_space) == "*") {
      identity.roles.AddEverywhere(grant.role);
    } else {
      identity.roles.Add(grant.name_space, grant.role);
    }
    EXPECT_TRUE(rules->AddToken(DigestOf(grant.token), std::move(identity)));
  }
  return rules;
}

class AccessTest : public BehaviourTest {
 protected:
  // Three tokens, each with its role in "shop", and the token "root", which may do all.
  void StartGuarded() {
    StartServer([](ServerOptions& options) {
      options.access = RulesOf({{"reader", kShop, Role::kRead},
                                {"user", kShop, Role::kUse},
                                {"admin", kShop, Role::kAdmin},
                                {"root", "*", Role::kAdmin}});
    });
  }

  Reply<v1::AcquireLockResponse> AcquireIn(const std::string& name_space, const std::string& key,
                                           const std::string& attempt_id = "a1") {
    return Acquire(key, attempt_id, [&](auto& request) { request.set_namespace_(name_space); });
  }

  void As(const std::string& token) {
    acting_as_ = token;
    ActAs(token);
  }

  // What each call of the API answers to one that names `key` in "shop", by its name.
  std::vector<std::pair<std::string, std::string>> TryAll(const std::string& key);
  std::string StatusReason();
  std::string BackupReason();
  std::string ClearReason();

 private:
  // "OK" once anything is shown.
  std::string TryWatch(const std::string& name_space);
  template <class Stub, class Request, class Response>
  std::string Try(Stub& stub, const Request& request,
                  grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*));
  std::string acting_as_;
};

template <class Stub, class Request, class Response>
std::string AccessTest::Try(Stub& stub, const Request& request,
                            grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                         Response*)) {
  grpc::ClientContext context;
  if (!acting_as_.empty()) context.AddMetadata("authorization", "Bearer " + acting_as_);
  Reply<Response> reply;
  reply.status = (stub.*method)(&context, request, &reply.response);
  return reply.reason();
}

std::vector<std::pair<std::string, std::string>> AccessTest::TryAll(const std::string& key) {
  using Calls = v1::CoordinationService::Stub;
  using Admin = v1::AdminService::Stub;
  std::vector<std::pair<std::string, std::string>> seen;
  const auto in_shop = [&](auto& request) { request.set_namespace_(kShop); };
  const auto admin_fields = [&](auto request) {
    request.set_namespace_(kShop);
    request.set_key(key);
    request.set_expected_fencing_token(1'000'000);
    request.set_actor("ada");
    request.set_reason("to see");
    return request;
  };
  seen.emplace_back("AcquireLock", AcquireIn(kShop, key).reason());
  seen.emplace_back("RenewLease", Renew(key, 1'000'000, in_shop).reason());
  seen.emplace_back("CheckResult", Check(key, in_shop).reason());
  seen.emplace_back("RecordResult", Record(key, 1'000'000, in_shop).reason());
  v1::ReleaseRequest release;
  release.set_namespace_(kShop);
  release.set_key(key);
  release.set_fencing_token(1'000'000);
  seen.emplace_back("Release", Try(coordination(), release, &Calls::Release));
  v1::IssueKeyRequest issue;
  issue.set_namespace_(kShop);
  seen.emplace_back("IssueKey", Try(coordination(), issue, &Calls::IssueKey));
  v1::GetRecordRequest get;
  get.set_namespace_(kShop);
  get.set_key(key);
  seen.emplace_back("GetRecord", Try(admin(), get, &Admin::GetRecord));
  seen.emplace_back("ListRecords", List(in_shop).reason());
  seen.emplace_back("WatchRecords", TryWatch(kShop));
  auto resolve = admin_fields(v1::ResolveOutcomeRequest());
  resolve.set_outcome(v1::ResolveOutcomeRequest::SUCCEEDED);
  seen.emplace_back("ResolveOutcome", Try(admin(), resolve, &Admin::ResolveOutcome));
  seen.emplace_back("ForceRelease",
                    Try(admin(), admin_fields(v1::ForceReleaseRequest()), &Admin::ForceRelease));
  seen.emplace_back("DeleteRecord",
                    Try(admin(), admin_fields(v1::DeleteRecordRequest()), &Admin::DeleteRecord));
  return seen;
}

std::string AccessTest::StatusReason() {
  return Try(admin(), v1::GetServerStatusRequest(), &v1::AdminService::Stub::GetServerStatus);
}

std::string AccessTest::BackupReason() {
  v1::CreateBackupRequest request;
  request.set_actor("ada");
  request.set_reason("to see");
  return Try(admin(), request, &v1::AdminService::Stub::CreateBackup);
}

std::string AccessTest::ClearReason() {
  v1::ClearRestoreDoubtRequest request;
  request.set_actor("ada");
  request.set_reason("to see");
  return Try(admin(), request, &v1::AdminService::Stub::ClearRestoreDoubt);
}

std::string AccessTest::TryWatch(const std::string& name_space) {
  grpc::ClientContext context;
  if (!acting_as_.empty()) context.AddMetadata("authorization", "Bearer " + acting_as_);
  v1::WatchRecordsRequest request;
  request.set_namespace_(name_space);
  const auto reader = admin().WatchRecords(&context, request);
  Reply<v1::WatchRecordsResponse> reply;
  if (reader->Read(&reply.response)) {
    context.TryCancel();
    (void)reader->Finish();
  } else {
    reply.status = reader->Finish();
  }
  return reply.reason();
}

TEST_P(AccessTest, NobodyUnknownMayDoAnything) {
  StartGuarded();
  for (const char* token : {"", "guess", "Reader"}) {
    As(token);
    for (const auto& [call, reason] : TryAll("k")) {
      EXPECT_EQ(reason, "CREDENTIALS_REQUIRED") << call << " with \"" << token << "\"";
    }
    EXPECT_EQ(StatusReason(), "CREDENTIALS_REQUIRED");
    EXPECT_EQ(BackupReason(), "CREDENTIALS_REQUIRED");
    EXPECT_EQ(ClearReason(), "CREDENTIALS_REQUIRED");
  }
  EXPECT_EQ(AcquireIn(kShop, "k").status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
}

TEST_P(AccessTest, EachCallNeedsItsRole) {
  StartGuarded();
  const std::set<std::string> reads = {"CheckResult", "GetRecord", "ListRecords", "WatchRecords"};
  const std::set<std::string> settles = {"ResolveOutcome", "ForceRelease", "DeleteRecord"};
  const auto may = [&](const std::string& call, Role role) {
    const Role needed = reads.contains(call)     ? Role::kRead
                        : settles.contains(call) ? Role::kAdmin
                                                 : Role::kUse;
    return role >= needed;
  };
  for (const auto& [token, role] : {std::pair("reader", Role::kRead), std::pair("user", Role::kUse),
                                    std::pair("admin", Role::kAdmin)}) {
    As(token);
    const auto seen = TryAll("k");
    ASSERT_EQ(seen.size(), 12u);
    for (const auto& [call, reason] : seen) {
      EXPECT_EQ(reason != "PERMISSION_DENIED", may(call, role)) << call << ": " << reason;
      EXPECT_NE(reason, "CREDENTIALS_REQUIRED") << call;
    }
    EXPECT_EQ(StatusReason(), "PERMISSION_DENIED");
    const auto elsewhere = AcquireIn("other", "k");
    EXPECT_EQ(elsewhere.reason(), "PERMISSION_DENIED");
    EXPECT_EQ(elsewhere.status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  }
  As("root");
  EXPECT_TRUE(AcquireIn("other", "k").ok());
  EXPECT_TRUE(AcquireIn("", "k").ok());
  EXPECT_EQ(StatusReason(), "OK");
}

TEST_P(AccessTest, WhatConcernsAllNamespacesNeedsItsRoleInAll) {
  StartServer([](ServerOptions& options) {
    options.access = RulesOf({{"of the shop", kShop, Role::kAdmin},
                              {"reader", "*", Role::kRead},
                              {"user", "*", Role::kUse},
                              {"root", "*", Role::kAdmin}});
  });
  const auto reasons = [&](const std::string& token) {
    As(token);
    return std::vector{StatusReason(), BackupReason(), ClearReason()};
  };
  const std::string denied = "PERMISSION_DENIED";
  EXPECT_EQ(reasons("of the shop"), (std::vector{denied, denied, denied}));
  EXPECT_EQ(reasons("reader"), (std::vector<std::string>{"OK", denied, denied}));
  EXPECT_EQ(reasons("user"), (std::vector<std::string>{"OK", denied, denied}));
  EXPECT_EQ(reasons("root"), (std::vector<std::string>{"OK", "BACKUP_UNAVAILABLE", "OK"}));
}

TEST_P(AccessTest, ARefusalSaysNothingOfTheKey) {
  StartGuarded();
  As("root");
  ASSERT_TRUE(AcquireIn("secret", "held").ok());
  const auto answer = [&](const std::string& key) {
    const auto reply = AcquireIn("secret", key, "another");
    const auto info = reply.info();
    return std::tuple(
        reply.reason(), reply.status.error_message(),
        std::map<std::string, std::string>(info.metadata().begin(), info.metadata().end()));
  };
  for (const char* token : {"user", "", "guess"}) {
    As(token);
    EXPECT_EQ(answer("held"), answer("absent")) << token;
    EXPECT_NE(std::get<0>(answer("held")), "OK");
  }
}

TEST_P(AccessTest, AMalformedCallIsSaidToBeSoFirst) {
  StartGuarded();
  As("reader");
  EXPECT_EQ(AcquireIn(kShop, "").reason(), "KEY_REQUIRED");
}

TEST_P(AccessTest, ATokenThatIsWithdrawnEndsAtOnce) {
  StartGuarded();
  As("user");
  const auto granted = AcquireIn(kShop, "k");
  ASSERT_TRUE(granted.ok());
  server().ReplaceAccess(RulesOf({{"other", kShop, Role::kUse}}));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Check("k", [](auto& request) { request.set_namespace_(kShop); }).reason(),
              "CREDENTIALS_REQUIRED");
  }
  // What it held is not dropped.
  As("other");
  EXPECT_TRUE(AcquireIn(kShop, "k", "a2")->has_contention());
}

TEST_P(AccessTest, RolesThatChangeCountForTheNextCall) {
  StartGuarded();
  As("user");
  ASSERT_TRUE(AcquireIn(kShop, "k1").ok());
  server().ReplaceAccess(RulesOf({{"user", kShop, Role::kRead}}));
  EXPECT_EQ(AcquireIn(kShop, "k2").reason(), "PERMISSION_DENIED");
  EXPECT_TRUE(Check("k1", [](auto& request) { request.set_namespace_(kShop); }).ok());
  server().ReplaceAccess(RulesOf({{"user", "*", Role::kUse}}));
  EXPECT_TRUE(AcquireIn(kShop, "k2").ok());
  EXPECT_TRUE(AcquireIn("other", "k2").ok());
}

// By hand, so that it is known to be one stream.
class SessionAccessTest : public AccessTest {
 protected:
  std::unique_ptr<RawSession> Open(const std::string& token) {
    return std::make_unique<RawSession>(coordination(), token);
  }
  void AwaitShopWaiters(std::uint32_t waiters) {
    Await(
        [&] {
          v1::GetServerStatusResponse status;
          server().FillStatus(&status);
          return status.waiters() == waiters;
        },
        std::to_string(waiters) + " waiters");
  }
};

void InShop(Frame& frame) {
  for (auto& call : *frame.mutable_calls()) {
    if (call.has_acquire_lock()) call.mutable_acquire_lock()->set_namespace_(kShop);
  }
  if (!frame.has_heartbeat()) return;
  for (auto& lease : *frame.mutable_heartbeat()->mutable_leases()) lease.set_namespace_(kShop);
}

TEST_P(SessionAccessTest, IsNotOpenedForWhoIsUnknown) {
  StartGuarded();
  for (const char* token : {"", "guess"}) {
    const auto ended = Open(token)->End();
    EXPECT_EQ(ended.status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
    EXPECT_EQ(ended.reason(), "CREDENTIALS_REQUIRED");
  }
}

TEST_P(SessionAccessTest, EntriesAreJudgedOneByOne) {
  StartGuarded();
  const auto session = Open("user");
  Frame frame;
  AddAcquire(frame, 1, "k1", "a1");
  InShop(frame);
  AddAcquire(frame, 2, "k2", "a1");  // in "default"
  session->Send(frame);
  EXPECT_TRUE(session->NextTo(1).has_acquire_lock());
  EXPECT_EQ(ReasonOf(session->NextTo(2)), "PERMISSION_DENIED");
}

TEST_P(SessionAccessTest, HeartbeatsNeedTheRoleToo) {
  StartGuarded();
  const auto session = Open("user");
  Frame frame;
  AddAcquire(frame, 1, "k", "a1");
  InShop(frame);
  session->Send(frame);
  const auto token = session->NextTo(1).acquire_lock().grant().fencing_token();
  Frame beats;
  AddLease(beats, "k", token);
  InShop(beats);
  AddLease(beats, "k", token);  // in "default"
  session->Send(beats);
  const auto beaten = session->NextHeartbeat();
  ASSERT_EQ(beaten.leases_size(), 2);
  EXPECT_EQ(beaten.leases(0).lost_reason(), "");
  EXPECT_EQ(beaten.leases(1).lost_reason(), "PERMISSION_DENIED");
  server().ReplaceAccess(RulesOf({{"user", kShop, Role::kRead}}));
  session->Send(beats);
  EXPECT_EQ(session->NextHeartbeat().leases(0).lost_reason(), "PERMISSION_DENIED");
}

TEST_P(SessionAccessTest, EndsAndWithItItsWaitsWhenTheTokenIsWithdrawn) {
  StartGuarded();
  As("root");
  ASSERT_TRUE(AcquireIn(kShop, "k").ok());
  const auto session = Open("user");
  const auto stays = Open("root");
  Frame frame;
  AddAcquire(frame, 1, "k", "a2", 30s);
  InShop(frame);
  session->Send(frame);
  AwaitShopWaiters(1);
  server().ReplaceAccess(RulesOf({{"root", "*", Role::kAdmin}}));
  EXPECT_EQ(session->End().status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  AwaitShopWaiters(0);
  Frame more;
  AddAcquire(more, 1, "k3", "a1");
  stays->Send(more);
  EXPECT_TRUE(stays->NextTo(1).acquire_lock().has_grant());
}

TEST_P(AccessTest, HealthIsForEverybodyAndReflectionForWhoIsKnown) {
  StartGuarded();
  const auto channel = grpc::CreateChannel(address(), grpc::InsecureChannelCredentials());
  const auto reflect = [&](const std::string& token) {
    grpc::ClientContext context;
    if (!token.empty()) context.AddMetadata("authorization", "bearer " + token);
    grpc::internal::RpcMethod method(
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        grpc::internal::RpcMethod::NORMAL_RPC);
    const grpc::Slice empty("");
    const grpc::ByteBuffer nothing(&empty, 1);
    grpc::ByteBuffer answer;
    return grpc::internal::BlockingUnaryCall(channel.get(), method, &context, nothing, &answer);
  };
  grpc::ClientContext context;
  grpc::internal::RpcMethod check("/grpc.health.v1.Health/Check",
                                  grpc::internal::RpcMethod::NORMAL_RPC);
  grpc::health::v1::HealthCheckRequest request;
  grpc::health::v1::HealthCheckResponse response;
  EXPECT_TRUE(
      grpc::internal::BlockingUnaryCall(channel.get(), check, &context, request, &response).ok());
  EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::SERVING);
  EXPECT_EQ(reflect("").error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(reflect("guess").error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_TRUE(reflect("reader").ok());
}

RUN_OVER_EVERY_STORE(AccessTest);
INSTANTIATE_TEST_SUITE_P(Stores, SessionAccessTest, testing::Values("memory"),
                         [](const auto& parameter) { return std::string(parameter.param); });

}  // namespace
}  // namespace latchkey
