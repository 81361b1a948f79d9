#include "tools/payment_demo/cashier.h"

#include <chrono>

#include "tests/payment_demo/test_provider.h"
#include "tools/payment_demo/receipt.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey::demo {
namespace {

using Keys = PaymentProvider::Keys;
using ::testing::SizeIs;

constexpr std::chrono::minutes kLong{1};
const Order kOrder{"104201", "ann@example.com", 1250, "EUR"};

TEST(Cashier, ReturnsTheReceiptOfACharge) {
  TestProvider provider(Keys::kHonoured);
  const Outcome outcome = Cashier(provider.Connect(), kLong).Charge(kOrder, "key-1");
  ASSERT_EQ(outcome.kind(), Outcome::Kind::kSucceeded);
  EXPECT_EQ(outcome.fields().provider_reference, provider.Charges().at(0).reference);
  const auto receipt = ParseReceipt(outcome.fields().payload);
  ASSERT_TRUE(receipt);
  EXPECT_EQ(receipt->order_id(), "104201");
  EXPECT_EQ(receipt->amount_minor(), 1250);
}

TEST(Cashier, TakesADeclineAsFinal) {
  TestProvider provider(Keys::kHonoured);
  const Outcome outcome =
      Cashier(provider.Connect(), kLong).Charge({"7", "ann", 4013, "EUR"}, "key-1");
  EXPECT_EQ(outcome.kind(), Outcome::Kind::kRejected);
  EXPECT_EQ(outcome.fields().code, "insufficient_funds");
}

TEST(Cashier, TakesALostCallAsUnknown) {
  for (const Mishap mishap : {Mishap::kRequestLost, Mishap::kReplyLost}) {
    TestProvider provider(Keys::kHonoured, {{.mishap = mishap}});
    const Outcome outcome = Cashier(provider.Connect(), kLong).Charge(kOrder, "key-1");
    EXPECT_EQ(outcome.kind(), Outcome::Kind::kUnknown);
  }
}

TEST(Cashier, TakesSilenceAsUnknown) {
  TestProvider provider(Keys::kHonoured, {{.mishap = Mishap::kNoReply}});
  Cashier cashier(provider.Connect(), std::chrono::milliseconds(200));
  EXPECT_EQ(cashier.Charge(kOrder, "key-1").kind(), Outcome::Kind::kUnknown);
}

TEST(Cashier, SettlesALostReplyByRepeatingOrAsking) {
  TestProvider provider(Keys::kHonoured, {{.mishap = Mishap::kReplyLost}});
  Cashier cashier(provider.Connect(), kLong);
  ASSERT_EQ(cashier.Charge(kOrder, "key-1").kind(), Outcome::Kind::kUnknown);
  const Outcome asked = cashier.Ask("key-1");
  const Outcome repeated = cashier.Charge(kOrder, "key-1");
  ASSERT_EQ(asked.kind(), Outcome::Kind::kSucceeded);
  ASSERT_EQ(repeated.kind(), Outcome::Kind::kSucceeded);
  EXPECT_EQ(asked.fields().payload, repeated.fields().payload);
  EXPECT_THAT(provider.Charges(), SizeIs(1));
}

TEST(Cashier, DoesNotTakeNothingFoundAsNotCharged) {
  TestProvider provider(Keys::kIgnored);
  EXPECT_EQ(Cashier(provider.Connect(), kLong).Ask("key-1").kind(), Outcome::Kind::kUnknown);
}

}  // namespace
}  // namespace latchkey::demo
