#include "tools/payment_demo/report.h"

#include <sstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey::demo {
namespace {

using latchkey::v1::CheckResultResponse;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

std::string Report(const Evidence& evidence, const Tally& tally) {
  std::ostringstream out;
  WriteReport(evidence, Judge(evidence), tally, out);
  return out.str();
}

TEST(WriteReport, EndsWithTheCounts) {
  Evidence evidence{.rows = {{"1", "ann", 1000, "EUR"}, {"2", "bob", 500, "EUR"}}};
  for (const char* reference : {"pay_1", "pay_2", "pay_3"}) {
    evidence.ledger.push_back({.reference = reference,
                               .order_id = "1",
                               .customer = "ann",
                               .amount_minor = 1000,
                               .currency = "EUR"});
  }
  Tally tally(evidence.rows, 1);
  tally.Add(0, "0 replayed");
  tally.Add(0, "0 recovered");
  tally.Add(0, "1 conflict");
  const std::string report = Report(evidence, tally);
  EXPECT_THAT(report,
              EndsWith("\norders=2 charges=3 duplicate_charges=2 replays=1 recovered=1 in_doubt=0 "
                       "rejected=0 conflicts=1\n"));
  EXPECT_THAT(report, HasSubstr("FAIL  no order is charged twice"));
  EXPECT_THAT(report, HasSubstr("30.00 EUR"));
  EXPECT_THAT(report, Not(HasSubstr("In doubt:")));
}

TEST(WriteReport, ListsWhatIsInDoubtWithItsReference) {
  Evidence evidence{.rows = {{"1", "ann", 1000, "EUR"}}, .keys_honoured = false};
  auto& record = evidence.records.emplace_back();
  record.set_key("order:1");
  record.set_state(CheckResultResponse::IN_DOUBT);
  record.set_fencing_token(17);
  record.set_downstream_idempotency_key("5f0c7a1e-reference");
  const std::string report = Report(evidence, Tally(evidence.rows, 1));
  EXPECT_THAT(report, HasSubstr("In doubt:"));
  EXPECT_THAT(report, HasSubstr("order:1 "));
  EXPECT_THAT(report, HasSubstr("5f0c7a1e-reference"));
  EXPECT_THAT(report, HasSubstr("in_doubt=1"));
}

}  // namespace
}  // namespace latchkey::demo
