#include "tools/payment_demo/order.h"

#include <fstream>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey::demo {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

absl::StatusOr<std::vector<Order>> Read(const std::string& rows) {
  std::istringstream csv("order_id,customer,amount,currency\n" + rows);
  return ReadOrders(csv, "orders.csv");
}

TEST(ReadOrders, ReadsRowsInOrder) {
  const auto orders = Read("7,ann@example.com,12.50,EUR\n8,yui@example.com,1250,JPY\n");
  ASSERT_TRUE(orders.ok()) << orders.status();
  EXPECT_THAT(*orders, ElementsAre(Order{"7", "ann@example.com", 1250, "EUR"},
                                   Order{"8", "yui@example.com", 1250, "JPY"}));
}

TEST(ReadOrders, TakesQuotedFieldsAndWindowsLines) {
  const auto orders = Read("7,\"Smith, \"\"Ann\"\"\",0.01,USD\r\n");
  ASSERT_TRUE(orders.ok()) << orders.status();
  EXPECT_THAT(*orders, ElementsAre(Order{"7", "Smith, \"Ann\"", 1, "USD"}));
}

TEST(ReadOrders, KeepsRepeatsAndChanges) {
  const auto orders = Read("7,ann,5.00,EUR\n7,ann,5.00,EUR\n7,ann,6.00,EUR\n");
  ASSERT_TRUE(orders.ok()) << orders.status();
  EXPECT_EQ(orders->size(), 3u);
}

TEST(ReadOrders, RefusesAnotherHeader) {
  std::istringstream csv("id;customer;amount;currency\n");
  EXPECT_THAT(std::string(ReadOrders(csv, "a.csv").status().message()),
              HasSubstr("a.csv:1: the first line"));
}

TEST(ReadOrders, RefusesAFileWithoutOrders) {
  EXPECT_THAT(std::string(Read("").status().message()), HasSubstr("no orders"));
}

TEST(ReadOrders, RefusesABadRowWithLineAndReason) {
  struct BadRow {
    const char* row;
    const char* why;
  };
  for (const BadRow& bad :
       {BadRow{"", "1 fields"}, BadRow{"8,ann,5.00", "3 fields"},
        BadRow{"8,ann,5.00,EUR,x", "5 fields"}, BadRow{",ann,5.00,EUR", "order_id"},
        BadRow{"8 8,ann,5.00,EUR", "order_id"}, BadRow{"8,,5.00,EUR", "customer"},
        BadRow{"8,a\tb,5.00,EUR", "customer"}, BadRow{"8,ann,5,EUR", "2 decimals"},
        BadRow{"8,ann,5.0,EUR", "2 decimals"}, BadRow{"8,ann,.50,EUR", "amount"},
        BadRow{"8,ann,5.00,JPY", "0 decimals"}, BadRow{"8,ann,0.00,EUR", "above 0"},
        BadRow{"8,ann,-5.00,EUR", "amount"}, BadRow{"8,ann,,JPY", "amount"},
        BadRow{"8,ann,99999999999999999999,JPY", "amount"}, BadRow{"8,ann,5.00,ABC", "currency"},
        BadRow{"8,\"ann,5.00,EUR", "quote"}, BadRow{"8,a\"nn,5.00,EUR", "quote"},
        BadRow{"8,\"ann\"x,5.00,EUR", "quote"}}) {
    SCOPED_TRACE(bad.row);
    const auto orders = Read("7,ann,5.00,EUR\n" + std::string(bad.row) + "\n");
    ASSERT_FALSE(orders.ok());
    EXPECT_THAT(std::string(orders.status().message()), HasSubstr("orders.csv:3: "));
    EXPECT_THAT(std::string(orders.status().message()), HasSubstr(bad.why));
  }
}

TEST(FormatAmount, HasTheDecimalsOfTheCurrency) {
  EXPECT_EQ(FormatAmount(129990, "EUR"), "1299.90 EUR");
  EXPECT_EQ(FormatAmount(5, "EUR"), "0.05 EUR");
  EXPECT_EQ(FormatAmount(12900, "JPY"), "12900 JPY");
}

TEST(ShippedOrders, HaveRepeatsAndChangedAmounts) {
  std::ifstream csv(LATCHKEY_ORDERS_CSV);
  const auto orders = ReadOrders(csv, LATCHKEY_ORDERS_CSV);
  ASSERT_TRUE(orders.ok()) << orders.status();
  std::set<std::string> ids;
  std::set<std::pair<std::string, std::int64_t>> amounts;
  for (const Order& order : *orders) {
    ids.insert(order.id);
    amounts.emplace(order.id, order.amount_minor);
  }
  EXPECT_EQ(ids.size(), 300u);
  EXPECT_EQ(amounts.size(), 309u);
  EXPECT_EQ(orders->size(), 393u);
}

}  // namespace
}  // namespace latchkey::demo
