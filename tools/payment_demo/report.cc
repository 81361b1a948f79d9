#include "tools/payment_demo/report.h"

#include <algorithm>
#include <iomanip>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "tools/payment_demo/receipt.h"
#include <google/protobuf/util/json_util.h>

namespace latchkey::demo {
namespace {

using latchkey::v1::CheckResultResponse;
using latchkey::v1::Record;
using latchkey::v1::Result;

constexpr std::size_t kShownViolations = 3;

void WriteRow(std::ostream& out, std::string_view label, std::size_t number,
              std::string_view remark = {}) {
  out << "  " << std::left << std::setw(28) << label << std::right << std::setw(6) << number;
  if (!remark.empty()) out << "   " << remark;
  out << "\n";
}

// "insufficient_funds 9, limit_exceeded 4".
std::string DeclineCodes(const std::vector<Record>& records) {
  std::map<std::string, int> by_code;
  for (const Record& record : records) {
    if (record.result().outcome() == Result::REJECTED) ++by_code[record.result().code()];
  }
  std::string text;
  for (const auto& [code, count] : by_code) {
    text += (text.empty() ? "" : ", ") + code + " " + std::to_string(count);
  }
  return text;
}

void WriteOrders(const Evidence& evidence, const Verdict& verdict, std::ostream& out) {
  std::map<std::string, int> charges;
  for (const Charge& charge : evidence.ledger) ++charges[charge.order_id];
  const auto once = static_cast<std::size_t>(
      std::ranges::count_if(charges, [](const auto& order) { return order.second == 1; }));
  out << "\nWhat became of the " << verdict.orders << " orders, by the provider's ledger and "
      << "Latchkey's records:\n";
  WriteRow(out, "charged once", once);
  WriteRow(out, "charged more than once", charges.size() - once);
  WriteRow(out, "declined for good", verdict.rejected, DeclineCodes(evidence.records));
  WriteRow(out, "in doubt", verdict.in_doubt);
}

// What was taken from cards, and what of it should not have been.
void WriteMoney(const Evidence& evidence, std::ostream& out) {
  struct Sum {
    std::size_t charges = 0;
    std::int64_t amount_minor = 0;
  };
  std::map<std::string, Sum> all;
  std::map<std::string, Sum> duplicates;
  std::set<std::string_view> charged_orders;
  for (const Charge& charge : evidence.ledger) {
    const auto add = [&](Sum& sum) {
      ++sum.charges;
      sum.amount_minor += charge.amount_minor;
    };
    add(all[charge.currency]);
    if (!charged_orders.insert(charge.order_id).second) add(duplicates[charge.currency]);
  }
  out << "\n     charges           amount  duplicates           amount\n";
  for (const auto& [currency, sum] : all) {
    out << std::right << std::setw(12) << sum.charges << std::setw(17)
        << FormatAmount(sum.amount_minor, currency);
    const Sum& twice = duplicates[currency];
    out << std::setw(12) << twice.charges;
    if (twice.charges > 0) out << std::setw(17) << FormatAmount(twice.amount_minor, currency);
    out << "\n";
  }
}

void WriteCalls(const Tally& tally, std::ostream& out) {
  out << "\nHow the workers' " << tally.calls() << " calls ended:\n";
  const auto write = [&](Ending ending, std::string_view label, std::string_view remark) {
    if (tally.Count(ending) > 0) WriteRow(out, label, tally.Count(ending), remark);
  };
  write(Ending::kPaid, "paid", "charged by this very call");
  write(Ending::kDeclined, "declined", "declined in this very call");
  write(Ending::kReplayed, "replayed", "answered with the stored result; nothing was done");
  write(Ending::kCutOff, "cut off", "charged, and killed before that was recorded");
  write(Ending::kInDoubt, "open", "nobody knows whether it was charged; tried again later");
  write(Ending::kRecovered, "recovered", "settled what an earlier call had left open");
  write(Ending::kConflict, "refused",
        std::to_string(tally.conflicts()) + " orders came back with another amount");
  write(Ending::kFailed, "failed", "not done; tried again later");
}

void WriteHavoc(const Havoc& havoc, std::ostream& out) {
  out << "\nWhat was killed and lost meanwhile:\n";
  WriteRow(out, "workers, charged", havoc.worst_moments.size(),
           "killed before they could record it");
  WriteRow(out, "workers, anywhere", havoc.any_moments, "killed at any moment");
  WriteRow(out, havoc.cluster ? "latchkeyd, etcd" : "latchkeyd", havoc.servers,
           "killed, and started again on its store");
  WriteRow(out, "replies", havoc.lost_replies, "lost by the provider, after it had done its work");
}

// What is known of the effect of a key in doubt: the reference of a charge, or nothing.
std::string KnownReference(const Record& record, const std::vector<Charge>& ledger) {
  const auto charge =
      std::ranges::find(ledger, record.downstream_idempotency_key(), &Charge::idempotency_key);
  if (charge != ledger.end()) return charge->reference;
  for (const auto& late : record.late_outcomes()) {
    if (late.outcome() == Result::SUCCEEDED) return late.provider_reference();
  }
  return "";
}

// The lines that settle one key in doubt, as in the README.
void WriteHowToSettle(const Record& record, const Evidence& evidence, std::ostream& out) {
  const std::string known = KnownReference(record, evidence.ledger);
  latchkey::v1::ResolveOutcomeRequest request;
  request.set_namespace_(record.namespace_());
  request.set_key(record.key());
  request.set_expected_fencing_token(record.fencing_token());
  request.set_actor("you");
  if (known.empty()) {
    request.set_outcome(latchkey::v1::ResolveOutcomeRequest::NOT_EXECUTED);
    request.set_reason("the provider has no charge under the reference");
  } else {
    request.set_outcome(latchkey::v1::ResolveOutcomeRequest::SUCCEEDED);
    request.set_provider_reference(known);
    request.set_reason("found in the ledger of the provider");
  }
  std::string json;
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.preserve_proto_field_names = true;
  // Fails for no message of this type.
  (void)google::protobuf::util::MessageToJsonString(request, &json, options);
  const std::string shell_json =
      absl::StrReplaceAll(absl::StripSuffix(json, "\n"), {{"'", "'\\''"}, {"\n", "\n    "}});
  out << "\nTo settle " << record.key();
  if (evidence.server.empty()) {
    out << ", if the store were kept (--keep=DIRECTORY):\n";
  } else {
    out << ":\n  " << evidence.server << " &\n";
  }
  out << "  grpcurl -plaintext -d '" << shell_json
      << "' localhost:7420 latchkey.v1.AdminService/ResolveOutcome\n";
}

// What an operator needs to settle what is in doubt.
void WriteDoubts(const Evidence& evidence, std::ostream& out) {
  out << "\nIn doubt: a call was lost, or its worker died, and the provider, when asked, knows of "
         "no\n"
         "charge. But it does not promise that none will still come, and it would charge again if\n"
         "the call were repeated. Latchkey does not guess. A person looks the reference up at the\n"
         "provider, and settles the key with AdminService.ResolveOutcome.\n";
  const auto write = [&](std::string_view key, std::string_view token, std::string_view reference,
                         std::string_view found) {
    out << "  " << std::left << std::setw(15) << key << " " << std::setw(11) << token << " "
        << std::setw(38) << reference << " " << found << "\n";
  };
  write("key", "token", "reference sent to the provider", "in its ledger");
  for (const Record& record : evidence.records) {
    if (record.state() != CheckResultResponse::IN_DOUBT) continue;
    const std::string known = KnownReference(record, evidence.ledger);
    write(record.key(), std::to_string(record.fencing_token()), record.downstream_idempotency_key(),
          known.empty() ? "nothing" : known);
  }
  WriteHowToSettle(*std::ranges::find(evidence.records, CheckResultResponse::IN_DOUBT,
                                      [](const Record& record) { return record.state(); }),
                   evidence, out);
}

void WriteChecks(const Verdict& verdict, std::ostream& out) {
  out << "\nChecks:\n";
  for (const Check& check : verdict.checks) {
    out << (check.violations.empty() ? "  ok    " : "  FAIL  ") << check.what << "\n";
    const std::size_t shown = std::min(check.violations.size(), kShownViolations);
    for (std::size_t i = 0; i < shown; ++i) out << "          " << check.violations[i] << "\n";
    if (shown < check.violations.size()) {
      out << "          ... and " << check.violations.size() - shown << " more\n";
    }
  }
}

}  // namespace

void WriteReport(const Evidence& evidence, const Verdict& verdict, const Tally& tally,
                 std::ostream& out) {
  if (evidence.havoc) WriteHavoc(*evidence.havoc, out);
  WriteCalls(tally, out);
  WriteOrders(evidence, verdict, out);
  WriteMoney(evidence, out);
  if (verdict.in_doubt > 0) WriteDoubts(evidence, out);
  WriteChecks(verdict, out);
  out << "\norders=" << verdict.orders << " charges=" << verdict.charges
      << " duplicate_charges=" << verdict.duplicate_charges
      << " replays=" << tally.Count(Ending::kReplayed) << " recovered=" << verdict.recovered
      << " in_doubt=" << verdict.in_doubt << " rejected=" << verdict.rejected
      << " conflicts=" << tally.conflicts() << std::endl;
}

}  // namespace latchkey::demo
