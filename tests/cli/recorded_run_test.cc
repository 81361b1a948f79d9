#include "tools/latchkey/recorded_run.h"

#include <string>

#include <gtest/gtest.h>

namespace latchkey::cli {
namespace {

constexpr std::size_t kLimit = 64 << 10;

Captured Wrote(const std::string& bytes) { return {.kept = bytes, .written = bytes.size()}; }

// As the service would give it back.
StoredResult Stored(const Outcome& outcome) {
  StoredResult result;
  result.outcome = outcome.kind() == Outcome::Kind::kSucceeded ? StoredResult::Outcome::kSucceeded
                                                               : StoredResult::Outcome::kRejected;
  result.code = outcome.fields().code;
  result.content_type = outcome.fields().content_type;
  result.payload = outcome.fields().payload;
  return result;
}

TEST(RecordedRunTest, ComesBackAsItWas) {
  std::string every_byte;
  for (int byte = 0; byte < 256; ++byte) every_byte += static_cast<char>(byte);
  const RecordedRun run{.exit_code = 0, .output = Wrote(every_byte), .errors = Wrote("oh\n")};
  const Outcome outcome = OutcomeOf(run, kLimit, {});
  EXPECT_EQ(outcome.kind(), Outcome::Kind::kSucceeded);
  const Recalled recalled = Recall(Stored(outcome));
  EXPECT_EQ(recalled.run.exit_code, 0);
  EXPECT_EQ(recalled.run.output.kept, every_byte);
  EXPECT_EQ(recalled.run.errors.kept, "oh\n");
  EXPECT_EQ(recalled.note, "");
}

TEST(RecordedRunTest, AFailureIsRejectedWithItsExitCode) {
  const Outcome outcome = OutcomeOf({.exit_code = 3}, kLimit, {});
  EXPECT_EQ(outcome.kind(), Outcome::Kind::kRejected);
  EXPECT_EQ(outcome.fields().code, "exit 3");
  EXPECT_EQ(Recall(Stored(outcome)).run.exit_code, 3);
}

TEST(RecordedRunTest, NeverPassesTheLimit) {
  for (const std::size_t limit : {0UL, 1UL, 64UL, 65UL, 1000UL, kLimit, 1UL << 20}) {
    for (const std::size_t output : {0UL, 10UL, limit, 2 * limit}) {
      for (const std::size_t errors : {0UL, 10UL, limit, 2 * limit}) {
        const RecordedRun run{.exit_code = 255,
                              .output = Wrote(std::string(output, 'o')),
                              .errors = Wrote(std::string(errors, 'e'))};
        EXPECT_LE(Encode(run, limit).size(), std::max<std::size_t>(limit, 64));
      }
    }
  }
}

TEST(RecordedRunTest, BothStreamsKeepTheirHalf) {
  const RecordedRun run{.output = Wrote(std::string(kLimit, 'o')),
                        .errors = Wrote(std::string(kLimit, 'e'))};
  const Recalled recalled = Recall(Stored(OutcomeOf(run, kLimit, {})));
  EXPECT_EQ(recalled.run.output.kept.size(), recalled.run.errors.kept.size());
  EXPECT_GT(recalled.run.output.kept.size(), kLimit / 2 - 64);
  EXPECT_EQ(recalled.note,
            "stdout was cut: the first 32736 of 65536 bytes were kept; "
            "stderr was cut: the first 32736 of 65536 bytes were kept");
}

TEST(RecordedRunTest, WhatOneStreamDoesNotNeedGoesToTheOther) {
  const RecordedRun loud{.output = Wrote(std::string(kLimit, 'o')), .errors = Wrote("few")};
  EXPECT_EQ(Recall(Stored(OutcomeOf(loud, kLimit, {}))).run.output.kept.size(), kLimit - 64 - 3);
  const RecordedRun angry{.output = Wrote("few"), .errors = Wrote(std::string(kLimit, 'e'))};
  EXPECT_EQ(Recall(Stored(OutcomeOf(angry, kLimit, {}))).run.errors.kept.size(), kLimit - 64 - 3);
}

TEST(RecordedRunTest, TheExitCodeOutlivesTheOutput) {
  StoredResult result = Stored(OutcomeOf({.exit_code = 7, .output = Wrote("x")}, kLimit, {}));
  result.payload.clear();
  result.body_expired = true;
  EXPECT_EQ(Recall(result).run.exit_code, 7);
  EXPECT_NE(Recall(result).note, "");
  result.body_expired = false;
  result.body_omitted = true;
  EXPECT_EQ(Recall(result).run.exit_code, 7);
  EXPECT_NE(Recall(result).note, "");
}

TEST(RecordedRunTest, WhatOthersRecordedIsTakenForWhatItSays) {
  StoredResult result{.outcome = StoredResult::Outcome::kRejected,
                      .code = "card_declined",
                      .content_type = "text/plain",
                      .payload = "no"};
  const Recalled recalled = Recall(result);
  EXPECT_EQ(recalled.run.exit_code, 1);
  EXPECT_EQ(recalled.run.output.kept, "no");
  EXPECT_NE(recalled.note.find("REJECTED card_declined"), std::string::npos);
  result.content_type = kCommandResultType;  // it lies
  result.payload = "\xff\xff";
  EXPECT_EQ(Recall(result).run.output.kept, "\xff\xff");
  for (const char* code : {"exit ", "exit 256", "exit -1", "exit 3x", "exit"}) {
    result.code = code;
    EXPECT_EQ(Recall(result).run.exit_code, 1) << code;
  }
}

}  // namespace
}  // namespace latchkey::cli
