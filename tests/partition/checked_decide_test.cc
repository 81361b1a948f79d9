// Debug builds check every step that a partition makes.
#include "server/partition/checked_decide.h"

#include "latchkey/v1/coordination.pb.h"
#include "server/machine/proto_time.h"
#include <gtest/gtest.h>

namespace latchkey {
namespace {

class CheckedStepTest : public testing::Test {
 protected:
  CheckedStepTest() {
    context_.limits = &limits_;
    context_.settings = &settings_;
    context_.highest_token = 1;
    v1::AcquireLockRequest request;
    request.set_attempt_id("a");
    SetProto(std::chrono::seconds(10), request.mutable_lease_duration());
    v1::AcquireLockResponse response;
    EXPECT_TRUE(CheckedDecide(key_, request, context_, &response).granted);
    key_.record->set_fencing_token(1);
    key_.token_pending = false;
  }

  const Limits limits_;
  const NamespaceSettings settings_;
  Context context_;
  KeyState key_;
};

TEST_F(CheckedStepTest, GoodStepsPass) {
  KeyState undone = key_;
  EXPECT_TRUE(CheckedUndoGrant(undone, 1, context_).durable);
  context_.now.monotonic = key_.lease_deadline;
  EXPECT_TRUE(CheckedLapse(key_, context_).lapsed);
}

#ifndef NDEBUG
TEST_F(CheckedStepTest, LapseBeforeItsTimeEndsTheProcess) {
  EXPECT_DEATH(static_cast<void>(CheckedLapse(key_, context_)), "invariant L4 is broken");
}

TEST_F(CheckedStepTest, TokenNeverIssuedEndsTheProcess) {
  context_.highest_token = 0;
  EXPECT_DEATH(static_cast<void>(CheckedUndoGrant(key_, 2, context_)), "invariant L3 is broken");
}
#endif

}  // namespace
}  // namespace latchkey
