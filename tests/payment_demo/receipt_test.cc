#include "tools/payment_demo/receipt.h"

#include <gtest/gtest.h>

namespace latchkey::demo {
namespace {

const Order kOrder{"104201", "ann@example.com", 1250, "EUR"};

TEST(KeyOf, IsTheSameForEveryRowOfAnOrder) {
  EXPECT_EQ(KeyOf(kOrder), "order:104201");
  EXPECT_EQ(KeyOf({"104201", "bob@example.com", 9900, "USD"}), "order:104201");
}

TEST(FingerprintOf, ChangesWithThePaymentAndNotWithTheOrder) {
  const std::string fingerprint = FingerprintOf(kOrder);
  EXPECT_EQ(fingerprint.size(), 32u);
  EXPECT_EQ(FingerprintOf({"7", "ann@example.com", 1250, "EUR"}), fingerprint);
  EXPECT_NE(FingerprintOf({"104201", "bob@example.com", 1250, "EUR"}), fingerprint);
  EXPECT_NE(FingerprintOf({"104201", "ann@example.com", 1251, "EUR"}), fingerprint);
  EXPECT_NE(FingerprintOf({"104201", "ann@example.com", 1250, "USD"}), fingerprint);
}

TEST(FingerprintOf, KeepsFieldsApart) {
  EXPECT_NE(FingerprintOf({"7", "ann1", 250, "EUR"}), FingerprintOf({"7", "ann", 1250, "EUR"}));
}

TEST(Receipt, ComesBackAsItWas) {
  v1::Payment payment;
  payment.set_reference("pay_000042");
  payment.set_customer("ann@example.com");
  payment.set_amount_minor(1250);
  payment.set_currency("EUR");
  payment.mutable_charged_at()->set_seconds(1'767'225'600);
  const auto parsed = ParseReceipt(ReceiptOf(payment));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->SerializeAsString(), payment.SerializeAsString());
}

TEST(Receipt, IsNothingElse) {
  EXPECT_FALSE(ParseReceipt("paid"));
  EXPECT_FALSE(ParseReceipt("{\"colour\": 3}"));
}

}  // namespace
}  // namespace latchkey::demo
