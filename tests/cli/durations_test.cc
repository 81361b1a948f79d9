#include "tools/latchkey/durations.h"

#include <gtest/gtest.h>

namespace latchkey::cli {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(DurationsTest, AreReadAsPeopleWriteThem) {
  EXPECT_EQ(ParseDuration("0"), seconds(0));
  EXPECT_EQ(ParseDuration("500ms"), milliseconds(500));
  EXPECT_EQ(ParseDuration("1.5s"), milliseconds(1500));
  EXPECT_EQ(ParseDuration("1h30m"), minutes(90));
  EXPECT_EQ(ParseDuration("90d"), hours(24 * 90));
}

TEST(DurationsTest, EverythingElseIsRefused) {
  for (const char* text : {"", "5", "5x", "-1s", "d", "1d2h", "1.5d", "-3d", "36501d", "inf",
                           "999999h", " 5s", "5s "}) {
    EXPECT_EQ(ParseDuration(text), std::nullopt) << text;
  }
}

TEST(DurationsTest, TimesAreReadInBothWays) {
  const auto expected = std::chrono::system_clock::time_point(seconds(1'769'860'800));
  EXPECT_EQ(ParseTime("2026-01-31T12:00:00Z"), expected);
  EXPECT_EQ(ParseTime("2026-01-31T13:00:00+01:00"), expected);
  EXPECT_EQ(ParseTime("1769860800"), expected);
  for (const char* text : {"", "yesterday", "2026-01-31", "-5", "99999999999"}) {
    EXPECT_EQ(ParseTime(text), std::nullopt) << text;
  }
}

TEST(DurationsTest, AreWrittenInTwoUnitsAtMost) {
  EXPECT_EQ(FormatDuration(seconds(-5)), "0ms");
  EXPECT_EQ(FormatDuration(milliseconds(850)), "850ms");
  EXPECT_EQ(FormatDuration(milliseconds(4'299)), "4.2s");
  EXPECT_EQ(FormatDuration(seconds(59)), "59s");
  EXPECT_EQ(FormatDuration(seconds(725)), "12m5s");
  EXPECT_EQ(FormatDuration(minutes(200)), "3h20m");
  EXPECT_EQ(FormatDuration(hours(72)), "3d");
  EXPECT_EQ(FormatDuration(hours(52)), "2d4h");
}

}  // namespace
}  // namespace latchkey::cli
