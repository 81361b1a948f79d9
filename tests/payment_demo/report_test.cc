#include "tools/payment_demo/report.h"

#include <sstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey::demo {
namespace {

using latchkey::v1::CheckResultResponse;
using latchkey::v1::Result;
using ::testing::ContainsRegex;
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
  tally.Add(0, {0, Ending::kReplayed});
  tally.Add(0, {0, Ending::kRecovered});
  tally.Add(0, {1, Ending::kConflict});
  const std::string report = Report(evidence, tally);
  EXPECT_THAT(report,
              EndsWith("\norders=2 charges=3 duplicate_charges=2 replays=1 recovered=0 in_doubt=0 "
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

// Evidence with one doubt.
Evidence InDoubt() {
  Evidence evidence{.rows = {{"1", "ann", 1000, "EUR"}}, .keys_honoured = false};
  auto& record = evidence.records.emplace_back();
  record.set_namespace_("demo/payments");
  record.set_key("order:1");
  record.set_state(CheckResultResponse::IN_DOUBT);
  record.set_fencing_token(17);
  record.set_downstream_idempotency_key("reference");
  return evidence;
}

TEST(WriteReport, KeepsColumnsApartWhereATokenIsLong) {
  Evidence evidence = InDoubt();
  evidence.records[0].set_fencing_token(18'446'744'073'709'551'615u);
  EXPECT_THAT(Report(evidence, Tally(evidence.rows, 1)),
              HasSubstr(" 18446744073709551615 reference "));
}

TEST(WriteReport, TellsHowToSettleADoubt) {
  Evidence evidence = InDoubt();
  EXPECT_THAT(Report(evidence, Tally(evidence.rows, 1)), HasSubstr("--keep=DIRECTORY"));
  evidence.server = "latchkeyd --store=rocksdb:/tmp/kept/store";
  EXPECT_THAT(Report(evidence, Tally(evidence.rows, 1)), HasSubstr(R"(
To settle order:1:
  latchkeyd --store=rocksdb:/tmp/kept/store &
  grpcurl -plaintext -d '{
     "namespace": "demo/payments",
     "key": "order:1",
     "expected_fencing_token": "17",
     "actor": "you",
     "reason": "the provider has no charge under the reference",
     "outcome": "NOT_EXECUTED"
    }' localhost:7420 latchkey.v1.AdminService/ResolveOutcome
)"));
}

TEST(WriteReport, SettlesADoubtByTheChargeThatIsKnown) {
  Evidence reported = InDoubt();
  auto& late = *reported.records[0].add_late_outcomes();
  late.set_outcome(Result::SUCCEEDED);
  late.set_provider_reference("pay_7");
  Evidence charged = InDoubt();
  charged.ledger.push_back({.reference = "pay_7", .idempotency_key = "reference", .order_id = "1"});
  for (const Evidence& evidence : {reported, charged}) {
    const std::string report = Report(evidence, Tally(evidence.rows, 1));
    EXPECT_THAT(report, HasSubstr("\"outcome\": \"SUCCEEDED\""));
    EXPECT_THAT(report, HasSubstr("\"provider_reference\": \"pay_7\""));
  }
}

TEST(WriteReport, QuotesForTheShell) {
  Evidence evidence = InDoubt();
  evidence.records[0].set_key("order:it's");
  EXPECT_THAT(Report(evidence, Tally(evidence.rows, 1)), HasSubstr(R"("order:it'\''s")"));
}

TEST(WriteReport, TellsWhatWasKilled) {
  Evidence evidence{.rows = {{"1", "ann", 1000, "EUR"}}};
  EXPECT_THAT(Report(evidence, Tally(evidence.rows, 1)), Not(HasSubstr("killed and lost")));
  evidence.havoc = Havoc{.wanted = {.worst_moments = 2, .any_moments = 2, .servers = 3},
                         .worst_moments = {{"1", "pay_1"}},
                         .any_moments = 2,
                         .servers = 3,
                         .lost_replies = 4};
  const std::string report = Report(evidence, Tally(evidence.rows, 1));
  EXPECT_THAT(report, ContainsRegex("workers, charged +1 "));
  EXPECT_THAT(report, ContainsRegex("workers, anywhere +2 "));
  EXPECT_THAT(report, ContainsRegex("latchkeyd +3 "));
  EXPECT_THAT(report, ContainsRegex("replies +4 "));
  EXPECT_THAT(report, HasSubstr("between charge and record: 1, at least 2 wanted"));
}

}  // namespace
}  // namespace latchkey::demo
