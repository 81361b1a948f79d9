#include "tools/payment_demo/verdict.h"

#include <functional>
#include <string>
#include <vector>

#include "tools/payment_demo/receipt.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey::demo {
namespace {

using latchkey::v1::CheckResultResponse;
using latchkey::v1::Grant;
using latchkey::v1::Record;
using latchkey::v1::Result;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Evidence of three orders: two are charged, one is declined; the first came twice and then with a
// changed amount.
const Order kAnn{"1", "ann", 1000, "EUR"};
const Order kAnnChanged{"1", "ann", 1500, "EUR"};
const Order kBob{"2", "bob", 2000, "USD"};
const Order kEve{"3", "eve", 3013, "EUR"};

Charge ChargeOf(const Order& order, const std::string& reference) {
  return {.reference = reference,
          .idempotency_key = "key-" + order.id,
          .order_id = order.id,
          .customer = order.customer,
          .amount_minor = order.amount_minor,
          .currency = order.currency};
}

Record RecordOf(const Order& order, CheckResultResponse::State state) {
  Record record;
  record.set_key(KeyOf(order));
  record.set_state(state);
  record.set_downstream_idempotency_key("key-" + order.id);
  return record;
}

Record SuccessOf(const Charge& charge) {
  v1::Payment payment;
  payment.set_reference(charge.reference);
  payment.set_customer(charge.customer);
  payment.set_amount_minor(charge.amount_minor);
  payment.set_currency(charge.currency);
  Record record = RecordOf({.id = charge.order_id}, CheckResultResponse::COMPLETED);
  record.mutable_result()->set_outcome(Result::SUCCEEDED);
  record.mutable_result()->set_provider_reference(charge.reference);
  record.mutable_result()->set_payload(ReceiptOf(payment));
  return record;
}

Record RejectionOf(const Order& order) {
  Record record = RecordOf(order, CheckResultResponse::COMPLETED);
  record.mutable_result()->set_outcome(Result::REJECTED);
  return record;
}

Evidence Good() {
  const Charge ann = ChargeOf(kAnn, "pay_1");
  const Charge bob = ChargeOf(kBob, "pay_2");
  return {.rows = {kAnn, kAnn, kBob, kEve, kAnnChanged},
          .ledger = {ann, bob},
          .records = {SuccessOf(ann), SuccessOf(bob), RejectionOf(kEve)},
          .keys_honoured = true};
}

// The checks that failed.
std::vector<std::string> Failed(const Verdict& verdict) {
  std::vector<std::string> failed;
  for (const Check& check : verdict.checks) {
    if (!check.violations.empty()) failed.push_back(check.what);
  }
  EXPECT_EQ(verdict.Passed(), failed.empty());
  return failed;
}

std::vector<std::string> FailedAfter(const std::function<void(Evidence&)>& harm) {
  Evidence evidence = Good();
  harm(evidence);
  return Failed(Judge(evidence));
}

constexpr char kSum[] = "charges + rejected + in doubt = orders";
constexpr char kTwice[] = "no order is charged twice";
constexpr char kAsOrdered[] = "every charge has the customer and amount of its order";
constexpr char kInLedger[] = "every recorded success is exactly its ledger row";
constexpr char kRecorded[] = "every ledger row has its record";
constexpr char kNoDoubt[] = "an idempotent provider leaves nothing in doubt";

TEST(Judge, PassesWhatIsRight) {
  const Verdict verdict = Judge(Good());
  EXPECT_THAT(Failed(verdict), IsEmpty());
  EXPECT_EQ(verdict.orders, 3u);
  EXPECT_EQ(verdict.charges, 2u);
  EXPECT_EQ(verdict.duplicate_charges, 0u);
  EXPECT_EQ(verdict.rejected, 1u);
  EXPECT_EQ(verdict.in_doubt, 0u);
}

TEST(Judge, TakesEitherAmountOfAnOrderIfLedgerAndRecordAgree) {
  EXPECT_THAT(FailedAfter([](Evidence& evidence) {
                const Charge changed = ChargeOf(kAnnChanged, "pay_1");
                evidence.ledger[0] = changed;
                evidence.records[0] = SuccessOf(changed);
              }),
              IsEmpty());
}

TEST(Judge, FindsADuplicateCharge) {
  Evidence evidence = Good();
  evidence.ledger.push_back(ChargeOf(kAnn, "pay_3"));
  const Verdict verdict = Judge(evidence);
  EXPECT_EQ(verdict.charges, 3u);
  EXPECT_EQ(verdict.duplicate_charges, 1u);
  EXPECT_THAT(Failed(verdict), ElementsAre(kSum, kTwice, kRecorded));
  EXPECT_THAT(verdict.checks[1].violations,
              ElementsAre(HasSubstr("order 1 (ann) is charged 2 times")));
}

TEST(Judge, FindsAnOrderThatWasForgotten) {
  EXPECT_THAT(FailedAfter([](Evidence& evidence) { evidence.records.pop_back(); }),
              ElementsAre(kSum));
  EXPECT_THAT(FailedAfter([](Evidence& evidence) {
                evidence.ledger.pop_back();
                evidence.records.erase(evidence.records.begin() + 1);
              }),
              ElementsAre(kSum));
}

TEST(Judge, FindsALeaseThatIsStillHeld) {
  EXPECT_THAT(FailedAfter([](Evidence& evidence) {
                evidence.records[2] = RecordOf(kEve, CheckResultResponse::HELD);
              }),
              ElementsAre(kSum));
}

TEST(Judge, FindsARecordOfNoOrder) {
  EXPECT_THAT(
      FailedAfter([](Evidence& evidence) { evidence.records[2] = RejectionOf({.id = "99"}); }),
      ElementsAre(kSum));
}

TEST(Judge, FindsAWrongAmountOrCustomer) {
  EXPECT_THAT(FailedAfter([](Evidence& evidence) {
                evidence.ledger[1].amount_minor += 1;
                evidence.records[1] = SuccessOf(evidence.ledger[1]);
              }),
              ElementsAre(kAsOrdered));
  EXPECT_THAT(FailedAfter([](Evidence& evidence) {
                evidence.ledger[1].customer = "ann";
                evidence.records[1] = SuccessOf(evidence.ledger[1]);
              }),
              ElementsAre(kAsOrdered));
}

TEST(Judge, FindsASuccessThatTheLedgerDoesNotHave) {
  EXPECT_THAT(FailedAfter([](Evidence& evidence) {
                evidence.records[2] = SuccessOf(ChargeOf(kEve, "pay_9"));
              }),
              ElementsAre(kSum, kInLedger));
}

TEST(Judge, FindsASuccessThatTheLedgerTellsOtherwise) {
  EXPECT_THAT(FailedAfter([](Evidence& evidence) {
                evidence.records[0] = SuccessOf(ChargeOf(kAnnChanged, "pay_1"));
              }),
              ElementsAre(kInLedger));
  EXPECT_THAT(FailedAfter([](Evidence& evidence) {
                evidence.records[0].mutable_result()->set_payload("paid");
              }),
              ElementsAre(kInLedger));
}

TEST(Judge, FindsTwoOrdersThatClaimOneCharge) {
  EXPECT_THAT(FailedAfter([](Evidence& evidence) {
                evidence.records[1].mutable_result()->set_provider_reference("pay_1");
              }),
              ElementsAre(kInLedger, kRecorded));
}

TEST(Judge, FindsAChargeWithoutARecord) {
  EXPECT_THAT(FailedAfter([](Evidence& evidence) { evidence.records[1] = RejectionOf(kBob); }),
              ElementsAre(kSum, kRecorded));
}

TEST(Judge, AllowsDoubtOnlyWhereTheProviderIsNotIdempotent) {
  const auto doubt = [](bool keys_honoured) {
    return [keys_honoured](Evidence& evidence) {
      evidence.keys_honoured = keys_honoured;
      evidence.records[2] = RecordOf(kEve, CheckResultResponse::IN_DOUBT);
    };
  };
  EXPECT_THAT(FailedAfter(doubt(true)), ElementsAre(kNoDoubt));
  EXPECT_THAT(FailedAfter(doubt(false)), IsEmpty());
}

TEST(Judge, CountsWhatWasRecordedInModeRecover) {
  Evidence evidence = Good();
  EXPECT_EQ(Judge(evidence).recovered, 0u);
  evidence.records[0].set_mode(Grant::RECOVER);
  evidence.records[2].set_mode(Grant::RECOVER);
  EXPECT_EQ(Judge(evidence).recovered, 2u);
  evidence.records[2].set_state(CheckResultResponse::IN_DOUBT);
  EXPECT_EQ(Judge(evidence).recovered, 1u);
}

// Evidence of a run in which ann's worker was killed between charge and record, and all else was
// done that was to be.
Evidence Chaotic() {
  Evidence evidence = Good();
  evidence.records[0].set_mode(Grant::RECOVER);
  evidence.havoc = Havoc{.wanted = {.worst_moments = 1, .any_moments = 2, .servers = 3},
                         .worst_moments = {{"1", "pay_1"}},
                         .any_moments = 2,
                         .servers = 3,
                         .lost_replies = 1};
  return evidence;
}

constexpr char kRecovered[] =
    "every order cut off between charge and record is recovered, to that charge";
constexpr char kEnough[] = "as much was killed and lost as was to be";

std::vector<std::string> FailedAfterChaos(const std::function<void(Evidence&)>& harm) {
  Evidence evidence = Chaotic();
  harm(evidence);
  return Failed(Judge(evidence));
}

TEST(Judge, PassesARunThatSurvivedItsKills) { EXPECT_THAT(Failed(Judge(Chaotic())), IsEmpty()); }

TEST(Judge, FindsAWorstMomentThatWasNone) {
  EXPECT_THAT(FailedAfterChaos(
                  [](Evidence& evidence) { evidence.havoc->worst_moments[0].reference.clear(); }),
              ElementsAre(kRecovered));
  EXPECT_THAT(
      FailedAfterChaos([](Evidence& evidence) { evidence.records[0].set_mode(Grant::EXECUTE); }),
      ElementsAre(kRecovered));
}

TEST(Judge, FindsARecoveryToAnotherCharge) {
  EXPECT_THAT(FailedAfterChaos(
                  [](Evidence& evidence) { evidence.havoc->worst_moments[0].reference = "pay_9"; }),
              ElementsAre(kRecovered));
}

TEST(Judge, FindsAnOrderThatWasNeverRecovered) {
  EXPECT_THAT(FailedAfterChaos([](Evidence& evidence) {
                evidence.records[0].set_state(CheckResultResponse::IN_DOUBT);
              }),
              Contains(kRecovered));
  EXPECT_THAT(FailedAfterChaos(
                  [](Evidence& evidence) { evidence.records.erase(evidence.records.begin()); }),
              Contains(kRecovered));
}

TEST(Judge, FailsARunInWhichTooLittleHappened) {
  for (const auto& lessen : std::vector<std::function<void(Havoc&)>>{
           [](Havoc& havoc) { havoc.worst_moments.clear(); },
           [](Havoc& havoc) { havoc.any_moments = 1; },
           [](Havoc& havoc) { havoc.servers = 2; },
           [](Havoc& havoc) { havoc.lost_replies = 0; },
       }) {
    EXPECT_THAT(FailedAfterChaos([&](Evidence& evidence) { lessen(*evidence.havoc); }),
                ElementsAre(kEnough));
  }
}

TEST(Judge, FailsWithoutRecords) {
  EXPECT_THAT(FailedAfter([](Evidence& evidence) { evidence.records.clear(); }),
              ElementsAre(kSum, kRecorded));
}

}  // namespace
}  // namespace latchkey::demo
