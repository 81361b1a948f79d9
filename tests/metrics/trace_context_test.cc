// What is taken for a trace context, and what is not.

#include "server/partition/trace_context.h"

#include <gtest/gtest.h>

namespace latchkey {
namespace {

const std::string kTrace = "4bf92f3577b34da6a3ce929d0e0e4736";
const std::string kSpan = "00f067aa0ba902b7";

TEST(TraceContextTest, AWellFormedOneIsTakenApart) {
  const auto parsed = ParseTraceparent("00-" + kTrace + "-" + kSpan + "-01");
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->trace_id, kTrace);
  EXPECT_EQ(parsed->span_id, kSpan);
  EXPECT_TRUE(ParseTraceparent("01-" + kTrace + "-" + kSpan + "-00-later").has_value());
  EXPECT_TRUE(ParseTraceparent("01-" + kTrace + "-" + kSpan + "-00").has_value());
}

TEST(TraceContextTest, AnythingElseIsNone) {
  for (const std::string& text :
       {std::string(), std::string("00"), std::string(55, '0'), std::string(55, '-'),
        "00-" + kTrace + "-" + kSpan + "-0", "00-" + kTrace + "-" + kSpan + "-01 ",
        "00-" + kTrace + "-" + kSpan + "-01-more", "01-" + kTrace + "-" + kSpan + "-01more",
        "ff-" + kTrace + "-" + kSpan + "-01", "0g-" + kTrace + "-" + kSpan + "-01",
        "00-" + std::string(32, '0') + "-" + kSpan + "-01",
        "00-" + kTrace + "-" + std::string(16, '0') + "-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-" + kSpan + "-01",
        "00-" + kTrace.substr(1) + " -" + kSpan + "-01", "00_" + kTrace + "-" + kSpan + "-01",
        "00-" + kTrace + "-" + kSpan.substr(1) + "\n-01", "00-" + kTrace + "-" + kSpan + "-0\n"}) {
    EXPECT_FALSE(ParseTraceparent(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace latchkey
