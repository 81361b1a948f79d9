// What operators do is in the log: who, why, and what came of it, on one line each.

#include <sstream>

#include "tests/end_to_end/process/program.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey {
namespace {

using testing::HasSubstr;
using testing::Not;

template <class Request>
Request By(const std::string& actor, const std::string& key, std::uint64_t token) {
  Request request;
  request.set_key(key);
  request.set_expected_fencing_token(token);
  request.set_actor(actor);
  request.set_reason("said \"no\"\nevent=forged actor=nobody");
  return request;
}

std::vector<std::string> LinesWith(const std::string& log, const std::string& words) {
  std::vector<std::string> lines;
  std::istringstream text(log);
  for (std::string line; std::getline(text, line);) {
    if (line.find(words) != std::string::npos) lines.push_back(line);
  }
  return lines;
}

TEST(OperatorLogTest, EveryActionIsLoggedOnceWithActorAndReason) {
  RunningLatchkeyd server({"--store=memory:", "--log-keys"});
  const auto token = server.Acquire("order:1", "a1").value();
  const auto force = By<v1::ForceReleaseRequest>("ada", "order:1", token);
  auto resolve = By<v1::ResolveOutcomeRequest>("bob", "order:1", token);
  resolve.set_outcome(v1::ResolveOutcomeRequest::SUCCEEDED);
  const auto erase = By<v1::DeleteRecordRequest>("cyd", "order:1", token);
  for (int i = 0; i < 2; ++i) {  // repeating it is OK, and is no second action
    grpc::ClientContext context;
    v1::ForceReleaseResponse forced;
    ASSERT_TRUE(server.admin().ForceRelease(&context, force, &forced).ok());
  }
  grpc::ClientContext resolve_context;
  v1::ResolveOutcomeResponse resolved;
  ASSERT_TRUE(server.admin().ResolveOutcome(&resolve_context, resolve, &resolved).ok());
  grpc::ClientContext erase_context;
  v1::DeleteRecordResponse erased;
  ASSERT_TRUE(server.admin().DeleteRecord(&erase_context, erase, &erased).ok());

  const std::string log = server.Log();
  const auto actions = LinesWith(log, "event=operator_action");
  ASSERT_EQ(actions.size(), 3u) << log;
  const std::string reason = R"(reason="said \"no\"\nevent=forged actor=nobody")";
  const std::string key = " namespace=default key=order:1 action=";
  const std::string number = " fencing_token=" + std::to_string(token);
  EXPECT_THAT(actions[0], HasSubstr(key + "ForceRelease actor=ada" + number +
                                    " detail=\"HELD -> IN_DOUBT\" " + reason));
  EXPECT_THAT(actions[1], HasSubstr(key + "ResolveOutcome actor=bob" + number +
                                    " detail=\"IN_DOUBT -> COMPLETED SUCCEEDED\" " + reason));
  EXPECT_THAT(actions[2], HasSubstr(key + "DeleteRecord actor=cyd" + number +
                                    " detail=\"COMPLETED -> ABSENT\" " + reason));
  EXPECT_THAT(log, Not(HasSubstr("event=lease_lapsed"))) << "its holder did not fall silent";
}

TEST(OperatorLogTest, KeysAreHashedUnlessAskedFor) {
  RunningLatchkeyd server({"--store=memory:"});
  const auto token = server.Acquire("order:secret", "a1").value();
  const auto force = By<v1::ForceReleaseRequest>("ada", "order:secret", token);
  grpc::ClientContext context;
  v1::ForceReleaseResponse forced;
  ASSERT_TRUE(server.admin().ForceRelease(&context, force, &forced).ok());
  EXPECT_THAT(server.Log(), HasSubstr("event=operator_action namespace=default key_hash="));
  EXPECT_THAT(server.Log(), Not(HasSubstr("order:secret")));
}

}  // namespace
}  // namespace latchkey
