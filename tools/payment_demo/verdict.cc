#include "tools/payment_demo/verdict.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "tools/payment_demo/receipt.h"

namespace latchkey::demo {
namespace {

using latchkey::v1::CheckResultResponse;
using latchkey::v1::Grant;
using latchkey::v1::Record;
using latchkey::v1::Result;

bool HasOutcome(const Record& record, Result::Outcome outcome) {
  return record.state() == CheckResultResponse::COMPLETED && record.result().outcome() == outcome;
}

bool IsRecovered(const Record& record) {
  return record.state() == CheckResultResponse::COMPLETED && record.mode() == Grant::RECOVER;
}

Order OrderOf(const Charge& charge) {
  return {charge.order_id, charge.customer, charge.amount_minor, charge.currency};
}

std::string Describe(const Charge& charge) {
  return charge.reference + " (order " + charge.order_id + ", " + charge.customer + ", " +
         FormatAmount(charge.amount_minor, charge.currency) + ")";
}

// The evidence, indexed.
struct Books {
  explicit Books(const Evidence& evidence) {
    for (const Order& row : evidence.rows) {
      order_ids.insert(row.id);
      keys.insert(KeyOf(row));
    }
    for (const Charge& charge : evidence.ledger) {
      by_reference.emplace(charge.reference, &charge);
      by_order[charge.order_id].push_back(&charge);
    }
    for (const Record& record : evidence.records) records.emplace(record.key(), &record);
  }

  std::set<std::string> order_ids;
  std::set<std::string> keys;
  std::map<std::string, const Charge*> by_reference;
  std::map<std::string, std::vector<const Charge*>> by_order;
  std::map<std::string, const Record*> records;
};

// Why a recorded success is not exactly one ledger row; empty when it is.
std::string WrongSuccess(const Record& record, const Books& books) {
  const auto found = books.by_reference.find(record.result().provider_reference());
  if (found == books.by_reference.end()) return "the ledger has no such charge";
  const auto receipt = ParseReceipt(record.result().payload());
  if (!receipt) return "its receipt cannot be read";
  const Charge& charge = *found->second;
  const bool same =
      KeyOf(OrderOf(charge)) == record.key() && receipt->reference() == charge.reference &&
      receipt->customer() == charge.customer && receipt->amount_minor() == charge.amount_minor &&
      receipt->currency() == charge.currency;
  return same ? "" : "the ledger says " + Describe(charge);
}

Check EveryOrderIsAccountedFor(const Verdict& verdict, const Books& books) {
  Check check{"charges + rejected + in doubt = orders", {}};
  const std::size_t sum = verdict.charges + verdict.rejected + verdict.in_doubt;
  if (sum != verdict.orders) {
    check.violations.push_back(std::to_string(verdict.charges) + " + " +
                               std::to_string(verdict.rejected) + " + " +
                               std::to_string(verdict.in_doubt) + " is " + std::to_string(sum) +
                               ", not " + std::to_string(verdict.orders));
  }
  for (const auto& [key, record] : books.records) {
    if (!books.keys.contains(key)) {
      check.violations.push_back("record " + key + " belongs to no order");
    }
  }
  return check;
}

Check NoOrderIsChargedTwice(const Books& books) {
  Check check{"no order is charged twice", {}};
  for (const auto& [order_id, charges] : books.by_order) {
    if (charges.size() == 1) continue;
    check.violations.push_back("order " + order_id + " (" + charges.front()->customer +
                               ") is charged " + std::to_string(charges.size()) + " times");
  }
  return check;
}

Check EveryChargeIsAsOrdered(const Evidence& evidence) {
  Check check{"every charge has the customer and amount of its order", {}};
  for (const Charge& charge : evidence.ledger) {
    const bool ordered = std::ranges::find(evidence.rows, OrderOf(charge)) != evidence.rows.end();
    if (!ordered) check.violations.push_back(Describe(charge) + " was not ordered so");
  }
  return check;
}

Check EverySuccessIsInTheLedger(const Evidence& evidence, const Books& books) {
  Check check{"every recorded success is exactly its ledger row", {}};
  std::set<std::string_view> claimed;
  for (const Record& record : evidence.records) {
    if (!HasOutcome(record, Result::SUCCEEDED)) continue;
    const std::string& reference = record.result().provider_reference();
    std::string wrong = WrongSuccess(record, books);
    if (wrong.empty() && !claimed.insert(reference).second) {
      wrong = "another record has the same reference";
    }
    if (wrong.empty()) continue;
    check.violations.push_back(absl::StrCat(record.key(), " records ", reference, ": ", wrong));
  }
  return check;
}

Check EveryChargeIsRecorded(const Evidence& evidence, const Books& books) {
  Check check{"every ledger row has its record", {}};
  for (const Charge& charge : evidence.ledger) {
    const auto found = books.records.find(KeyOf(OrderOf(charge)));
    const bool recorded = found != books.records.end() &&
                          HasOutcome(*found->second, Result::SUCCEEDED) &&
                          found->second->result().provider_reference() == charge.reference;
    if (!recorded) check.violations.push_back(Describe(charge) + " is not recorded");
  }
  return check;
}

Check NothingIsInDoubt(const Evidence& evidence) {
  Check check{"an idempotent provider leaves nothing in doubt", {}};
  for (const Record& record : evidence.records) {
    if (record.state() == CheckResultResponse::IN_DOUBT) {
      check.violations.push_back(record.key() + " is in doubt");
    }
  }
  return check;
}

// Why an order is not as it must be after its worker was killed between charge and record; empty
// when it is.
std::string WrongAfter(const WorstMoment& moment, const Books& books) {
  if (moment.reference.empty()) return "was not charged when its worker was killed";
  const auto found = books.records.find(KeyOf({.id = moment.order_id}));
  if (found == books.records.end()) return "has no record";
  const Record& record = *found->second;
  if (!IsRecovered(record)) return "was not recovered";
  if (record.result().provider_reference() == moment.reference) return "";
  return absl::StrCat("was charged ", moment.reference, ", its record says ",
                      record.result().provider_reference());
}

Check EveryWorstMomentIsRecovered(const Havoc& havoc, const Books& books) {
  Check check{"every order cut off between charge and record is recovered, to that charge", {}};
  for (const WorstMoment& moment : havoc.worst_moments) {
    const std::string wrong = WrongAfter(moment, books);
    if (!wrong.empty()) check.violations.push_back("order " + moment.order_id + " " + wrong);
  }
  return check;
}

// A run in which little happened proves little.
Check EnoughHappened(const Havoc& havoc) {
  Check check{"as much was killed and lost as was to be", {}};
  const auto require = [&](const char* what, std::size_t wanted, std::size_t done) {
    if (done >= wanted) return;
    check.violations.push_back(absl::StrCat(what, ": ", done, ", at least ", wanted, " wanted"));
  };
  require("workers killed between charge and record", havoc.wanted.worst_moments,
          havoc.worst_moments.size());
  require("workers killed at any moment", havoc.wanted.any_moments, havoc.any_moments);
  require("latchkeyd killed", havoc.wanted.servers, havoc.servers);
  require("replies lost by the provider", 1, havoc.lost_replies);
  return check;
}

}  // namespace

bool Verdict::Passed() const {
  return std::ranges::all_of(checks, [](const Check& check) { return check.violations.empty(); });
}

Verdict Judge(const Evidence& evidence) {
  const Books books(evidence);
  const auto count = [&](auto&& predicate) {
    return static_cast<std::size_t>(std::ranges::count_if(evidence.records, predicate));
  };
  Verdict verdict;
  verdict.orders = books.order_ids.size();
  verdict.charges = evidence.ledger.size();
  verdict.duplicate_charges = evidence.ledger.size() - books.by_order.size();
  verdict.rejected =
      count([](const Record& record) { return HasOutcome(record, Result::REJECTED); });
  verdict.recovered = count(IsRecovered);
  verdict.in_doubt =
      count([](const Record& record) { return record.state() == CheckResultResponse::IN_DOUBT; });
  verdict.checks = {EveryOrderIsAccountedFor(verdict, books), NoOrderIsChargedTwice(books),
                    EveryChargeIsAsOrdered(evidence), EverySuccessIsInTheLedger(evidence, books),
                    EveryChargeIsRecorded(evidence, books)};
  if (evidence.keys_honoured) verdict.checks.push_back(NothingIsInDoubt(evidence));
  if (evidence.havoc) {
    verdict.checks.push_back(EveryWorstMomentIsRecovered(*evidence.havoc, books));
    verdict.checks.push_back(EnoughHappened(*evidence.havoc));
  }
  return verdict;
}

}  // namespace latchkey::demo
