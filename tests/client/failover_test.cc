// A service that several servers give: what goes on when one of them does not answer.

#include "client/src/failover_transport.h"
#include "client_fixture.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey::inline client::internal {
namespace {

using grpc::StatusCode;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;

class FailoverTest : public ClientTest {
 protected:
  FailoverTest() {
    // The client that every test begins with closes its own.
    runtime_ = std::make_shared<FakeRuntime>();
    transport_ = std::make_shared<FakeTransport>(runtime_);
    second_ = std::make_shared<FakeTransport>(runtime_);
    Instruct(*transport_);
    Instruct(*second_);
    client_ = MakeClient(runtime_, MakeFailoverTransport({transport_, second_}));
  }

  std::shared_ptr<FakeTransport> second_;
};

TEST_F(FailoverTest, OneServerIsUsedWhileItAnswers) {
  for (int i = 0; i < 3; ++i) EXPECT_NE(AcquireLease().fencing_token(), 0u);
  EXPECT_EQ(transport_->acquire.count(), 3u);
  EXPECT_EQ(second_->acquire.count(), 0u);
}

TEST_F(FailoverTest, ACallInFlightIsRepeatedElsewhereWithItsAttemptId) {
  transport_->acquire.Always(Failing<v1::AcquireLockResponse>({StatusCode::UNAVAILABLE, "", ""}));
  const Lease lease = AcquireLease();
  ASSERT_EQ(transport_->acquire.count(), 1u);
  ASSERT_EQ(second_->acquire.count(), 1u);
  EXPECT_EQ(second_->acquire.seen()[0].attempt_id(), transport_->acquire.seen()[0].attempt_id());
  const Lease next = AcquireLease();
  EXPECT_EQ(transport_->acquire.count(), 1u) << "the one that failed is left";
}

TEST_F(FailoverTest, ALeaseIsRenewedThroughAnotherServer) {
  const Lease lease = AcquireLease();
  transport_->renew.Always(Failing<v1::RenewLeaseResponse>({StatusCode::UNAVAILABLE, "gone", ""}));
  runtime_->set_random([] { return ~std::uint64_t{0} / 2; });
  const auto safe_until = lease.safe_until();
  while (transport_->renew.count() == 0) runtime_->Advance(milliseconds(1));
  runtime_->Advance(milliseconds(1));
  EXPECT_EQ(lease.state(), LeaseState::kUncertain);
  EXPECT_EQ(lease.state_reason(), "RENEWAL_FAILED: gone");
  runtime_->Advance(seconds(4));
  EXPECT_EQ(lease.state(), LeaseState::kHeld);
  EXPECT_GT(lease.safe_until(), safe_until);
  EXPECT_EQ(second_->renew.count(), 1u);
}

TEST_F(FailoverTest, ALeaseThatNoServerRenewsIsLostWithTheReason) {
  const Lease lease = AcquireLease();
  for (auto* server : {transport_.get(), second_.get()}) {
    server->renew.Always(Failing<v1::RenewLeaseResponse>({StatusCode::UNAVAILABLE, "gone", ""}));
  }
  runtime_->Advance(seconds(31));
  EXPECT_EQ(lease.state(), LeaseState::kLost);
  EXPECT_EQ(lease.state_reason(), "SAFE_UNTIL_REACHED");
  EXPECT_GT(transport_->renew.count(), 0u);
  EXPECT_GT(second_->renew.count(), 0u);
}

TEST_F(FailoverTest, AnAnswerIsNoReasonToGoElsewhere) {
  transport_->record.Always(Failing<v1::RecordResultResponse>(
      Refusal(StatusCode::FAILED_PRECONDITION, "STALE_FENCING_TOKEN")));
  (void)Run(Doing(Succeeded({.code = "ok"})));
  EXPECT_EQ(second_->record.count(), 0u);
}

TEST_F(FailoverTest, AServerWhoseStoreIsAwayIsLeft) {
  transport_->acquire.Always(
      Failing<v1::AcquireLockResponse>(Refusal(StatusCode::UNAVAILABLE, "STORAGE_UNAVAILABLE")));
  EXPECT_NE(AcquireLease().fencing_token(), 0u);
  EXPECT_EQ(second_->acquire.count(), 1u);
}

TEST_F(FailoverTest, OfManyCallsThatBreakTogetherNoneSkipsAServer) {
  transport_->check.Always({.status = {StatusCode::UNAVAILABLE, "", ""}});
  second_->check.Always(Checked(v1::CheckResultResponse::HELD));
  int answered = 0;
  for (int i = 0; i < 10; ++i) {
    client_.CheckResultAsync("order:1", {}, [&](const auto& answer) { answered += answer.ok(); });
  }
  runtime_->Advance(seconds(3));
  EXPECT_EQ(answered, 10);
  EXPECT_EQ(transport_->check.count(), 10u);
  EXPECT_EQ(second_->check.count(), 10u);
}

TEST(AddressesTest, AreSeparatedByCommasWhereThereIsNoScheme) {
  EXPECT_THAT(AddressesIn("a:1"), ElementsAre("a:1"));
  EXPECT_THAT(AddressesIn("a:1,b:2,c:3"), ElementsAre("a:1", "b:2", "c:3"));
  EXPECT_THAT(AddressesIn("a:1,"), ElementsAre("a:1"));
  EXPECT_THAT(AddressesIn("ipv4:1.2.3.4:5,1.2.3.5:5"), ElementsAre("ipv4:1.2.3.4:5,1.2.3.5:5"));
  EXPECT_THAT(AddressesIn("dns:///a:1"), ElementsAre("dns:///a:1"));
  EXPECT_THAT(AddressesIn(""), ElementsAre(""));
}

}  // namespace
}  // namespace latchkey::inline client::internal
