#include "tools/latchkey/table.h"

#include <gtest/gtest.h>

namespace latchkey::cli {
namespace {

TEST(TableTest, ColumnsStandBelowTheirHeads) {
  Table table({{"KEY"}, {"AGE", Align::kRight}, {"HOLDER"}});
  table.Add({"order:1", "5s", "a"});
  table.Add({"x", "12m5s", ""});
  EXPECT_EQ(table.Text(false),
            "KEY        AGE  HOLDER\n"
            "order:1     5s  a\n"
            "x        12m5s\n");
}

TEST(TableTest, ColoursDoNotMoveTheColumns) {
  Table table({{"A"}, {"B"}});
  table.Add({{"HELD", Tint::kYellow}, "a"});
  table.Add({"COMPLETED", {"b", Tint::kGreen}});
  EXPECT_EQ(table.Text(true),
            "\033[1mA\033[0m          \033[1mB\033[0m\n"
            "\033[33mHELD\033[0m       a\n"
            "COMPLETED  \033[32mb\033[0m\n");
}

TEST(TableTest, WithoutHeadsTheFirstColumnNamesTheSecond) {
  Table table({{""}, {""}});
  table.Add({"state", {"HELD", Tint::kYellow}});
  EXPECT_EQ(table.Text(true), "\033[2mstate\033[0m  \033[33mHELD\033[0m\n");
  EXPECT_EQ(table.Text(false), "state  HELD\n");
}

TEST(TableTest, AColumnMayBeWiderThanItsCells) {
  Table table({{"", Align::kRight, 4}, {"", Align::kLeft, 6}, {""}});
  table.Add({"1", "HELD", "a"});
  EXPECT_EQ(table.Text(false), "   1  HELD    a\n");
}

TEST(TableTest, ACharacterCountsOnceHoweverManyBytesItHas) {
  Table table({{""}, {""}});
  table.Add({"gr\xc3\xbc\xc3\x9f", "a"});
  table.Add({"12345", "b"});
  EXPECT_EQ(table.Text(false), "gr\xc3\xbc\xc3\x9f   a\n12345  b\n");
}

TEST(PrintableTest, NothingDrivesTheTerminal) {
  EXPECT_EQ(Printable("plain gr\xc3\xbc\xc3\x9f"), "plain gr\xc3\xbc\xc3\x9f");
  EXPECT_EQ(Printable("\033[2J\n"), "\\x1b[2J\\x0a");
  EXPECT_EQ(Printable("\x7f\xc2\x9b"), "\\x7f\\xc2\\x9b");
  EXPECT_EQ(Printable("\xff\xc3"), "\\xff\\xc3");
  EXPECT_EQ(Printable("\xe0\x80\x80\xed\xa0\x80"), "\\xe0\\x80\\x80\\xed\\xa0\\x80");
}

}  // namespace
}  // namespace latchkey::cli
