// The end of a connection: what the service is told, what still arrives, and how long it takes.
#include <optional>

#include "client_fixture.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey::inline client::internal {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using State = v1::CheckResultResponse;

class FarewellTest : public ClientTest {
 protected:
  FarewellTest() {
    transport_->release.Always([this](const v1::ReleaseRequest&) {
      EXPECT_FALSE(transport_->shut_down) << "too late to be sent";
      return Released(State::ABSENT);
    });
  }
  // The last handle goes; gives how long that takes.
  std::chrono::nanoseconds Close() {
    const auto began = runtime_->Now();
    client_ = MakeClient(std::make_shared<FakeRuntime>(), other_);
    EXPECT_TRUE(transport_->shut_down);
    return runtime_->Now() - began;
  }
  void AcquireInBackground(const std::string& key) {
    client_.AcquireLockAsync(key, {}, [this](const AcquireAnswer& answer) {
      reasons_.push_back(std::get<Error>(answer).reason);
    });
  }

  std::shared_ptr<FakeTransport> other_ =
      std::make_shared<FakeTransport>(std::make_shared<FakeRuntime>());
  std::vector<std::string> reasons_;
};

TEST_F(FarewellTest, AttemptsWithoutAnAnswer_AreEndedInTheService) {
  transport_->acquire.Always(Frozen<v1::AcquireLockResponse>());
  for (const char* key : {"order:1", "order:2", "order:3"}) AcquireInBackground(key);
  Close();
  const auto acquired = transport_->acquire.seen();
  const auto released = transport_->release.seen();
  ASSERT_EQ(acquired.size(), 3u);
  ASSERT_GE(released.size(), 3u);
  for (const auto& acquire : acquired) {
    EXPECT_THAT(released, testing::Contains(testing::Truly([&](const v1::ReleaseRequest& release) {
                  return release.attempt_id() == acquire.attempt_id() &&
                         release.key() == acquire.key() &&
                         release.namespace_() == acquire.namespace_() &&
                         release.fencing_token() == 0 && release.effect() == 0;
                })));
  }
  EXPECT_THAT(reasons_, testing::Each("CLIENT_CLOSED"));
  EXPECT_EQ(reasons_.size(), 3u);
}

// Between two tries nothing is under way, and a try that broke may have been granted.
TEST_F(FarewellTest, AttemptsThatPause_AreEndedToo) {
  transport_->acquire.Always(
      Failing<v1::AcquireLockResponse>({grpc::StatusCode::UNAVAILABLE, "reset", ""}));
  AcquireInBackground("order:1");
  runtime_->Advance(milliseconds(2));
  Close();
  ASSERT_EQ(transport_->release.count(), 1u);
  EXPECT_EQ(transport_->release.seen().at(0).attempt_id(),
            transport_->acquire.seen().at(0).attempt_id());
  EXPECT_THAT(reasons_, testing::ElementsAre("CLIENT_CLOSED"));
}

TEST_F(FarewellTest, AnsweredAttempts_AreNot) {
  transport_->acquire.Then(Contended());
  transport_->acquire.Then(AlreadyCompleted());
  (void)client_.AcquireLock("order:1");
  (void)client_.AcquireLock("order:2");
  EXPECT_EQ(AcquireLease().Release(Effect::kUnknown)->state, KeyStatus::State::kAbsent);
  const std::size_t before = transport_->release.count();
  EXPECT_EQ(Close(), seconds(0)) << "nothing is waited for";
  EXPECT_EQ(transport_->release.count(), before);
}

TEST_F(FarewellTest, OutcomesAndReleasesOnTheirWay_AreWaitedForASecond) {
  transport_->record.Always(Frozen<v1::RecordResultResponse>());
  std::optional<RecordAnswer> recorded;
  AcquireLease().RecordAsync(Succeeded({}), [&](const RecordAnswer& answer) { recorded = answer; });
  EXPECT_EQ(Close(), seconds(1));
  EXPECT_EQ(recorded.value().error->reason, "CLIENT_CLOSED");
}

TEST_F(FarewellTest, AServiceThatDoesNotAnswer_IsWaitedForOnce) {
  transport_->acquire.Always(Frozen<v1::AcquireLockResponse>());
  transport_->release.Always(Frozen<v1::ReleaseResponse>());
  for (int i = 0; i < 100; ++i) AcquireInBackground("order:" + std::to_string(i));
  EXPECT_EQ(Close(), seconds(1));
  EXPECT_EQ(reasons_.size(), 100u);
}

}  // namespace
}  // namespace latchkey::inline client::internal
