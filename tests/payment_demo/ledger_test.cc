#include "tools/payment_demo/ledger.h"

#include "tests/support/temporary_directory.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey::demo {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class LedgerTest : public ::testing::Test {
 protected:
  Ledger Open() {
    auto ledger = Ledger::Open(directory_.path() + "/ledger.sqlite");
    EXPECT_TRUE(ledger.ok()) << ledger.status();
    return *std::move(ledger);
  }

  static Charge Some(const std::string& key) {
    return {.idempotency_key = key,
            .order_id = "104201",
            .customer = "O'Brien; DROP TABLE charges",
            .amount_minor = 1250,
            .currency = "EUR"};
  }

  TemporaryDirectory directory_;
};

TEST_F(LedgerTest, KeepsWhatItIsGiven) {
  Ledger ledger = Open();
  const auto first = ledger.Append(Some("key-1"));
  const auto second = ledger.Append(Some("key-2"));
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(first->reference, "pay_000001");
  EXPECT_EQ(first->customer, "O'Brien; DROP TABLE charges");
  EXPECT_GT(first->charged_at_ms, 0);
  EXPECT_THAT(*ledger.All(), ElementsAre(*first, *second));
}

TEST_F(LedgerTest, FindsEveryChargeOfAKey) {
  Ledger ledger = Open();
  const auto first = ledger.Append(Some("key-1"));
  ASSERT_TRUE(ledger.Append(Some("key-2")).ok());
  const auto again = ledger.Append(Some("key-1"));
  EXPECT_THAT(*ledger.Find("key-1"), ElementsAre(*first, *again));
  EXPECT_THAT(*ledger.Find("key-3"), IsEmpty());
}

TEST_F(LedgerTest, IsSeenByOthersAndByTheNext) {
  const auto charge = Open().Append(Some("key-1"));
  Ledger reader = Open();
  EXPECT_THAT(*reader.All(), ElementsAre(*charge));
  EXPECT_EQ(Open().Append(Some("key-2"))->reference, "pay_000002");
  EXPECT_EQ(reader.All()->size(), 2u);
}

TEST_F(LedgerTest, SaysWhyItCannotBeOpened) {
  const auto ledger = Ledger::Open(directory_.path() + "/missing/ledger.sqlite");
  ASSERT_FALSE(ledger.ok());
  EXPECT_THAT(std::string(ledger.status().message()), HasSubstr("missing/ledger.sqlite"));
}

}  // namespace
}  // namespace latchkey::demo
