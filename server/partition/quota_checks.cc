// Which quota stands in the way of a call. Part of partition.h.

#include "latchkey/v1/coordination.pb.h"
#include "server/partition/entry.h"
#include "server/partition/live_counts.h"
#include "server/partition/partition.h"
#include "server/partition/quotas.h"

namespace latchkey {
namespace {

using State = v1::CheckResultResponse;

}  // namespace

std::optional<QuotaReached> Partition::QuotaFor(const Entry& entry, const Call& call) const {
  const auto* renew = std::get_if<RenewLeaseExchange>(&call.operation);
  // A completed one may turn out to be forgotten, and then is as an absent one.
  const State::State state = entry.state_now();
  const bool begins = std::holds_alternative<AcquireLockExchange>(call.operation) &&
                      state != State::HELD && state != State::IN_DOUBT;
  if (!begins && (renew == nullptr || renew->request->checkpoint().empty())) return std::nullopt;
  const NamespaceSettings& settings = *entry.settings;
  const std::string_view name_space = entry.name_space();
  const Quotas* const quotas = environment_.quotas;
  if (quotas != nullptr && settings.stored_bytes_max != 0 &&
      quotas->StoredBytes(name_space) >= settings.stored_bytes_max) {
    return QuotaReached{"stored_bytes_max", settings.stored_bytes_max, /*of_bytes=*/true, {}};
  }
  if (!begins) return std::nullopt;
  if (environment_.live_counts->Get(name_space).live() >= settings.live_records_max) {
    return QuotaReached{"live_records_max", settings.live_records_max, /*of_bytes=*/false, {}};
  }
  const std::uint64_t rate = settings.new_keys_per_second_max;
  if (quotas == nullptr || rate == 0) return std::nullopt;
  const auto until = quotas->UntilNextKey(name_space, rate, now_.monotonic);
  if (!until.has_value()) return std::nullopt;
  return QuotaReached{"new_keys_per_second_max", rate, /*of_bytes=*/false, until};
}

void Partition::CountKey(const Entry& entry) {
  const std::uint64_t rate = entry.settings->new_keys_per_second_max;
  if (environment_.quotas == nullptr || rate == 0) return;
  environment_.quotas->CountKey(entry.name_space(), rate, now_.monotonic);
}

}  // namespace latchkey
