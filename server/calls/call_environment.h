// What every call needs from its server, however it arrives. Everything here outlives the calls.
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "server/access/caller.h"
#include "server/access/rpc_roles.h"
#include "server/calls/reply_budget.h"
#include "server/machine/limits.h"
#include "server/machine/namespaces.h"
#include "server/machine/request_checks.h"
#include "server/partition/fail_stop.h"
#include "server/partition/meter.h"
#include "server/partition/partitions.h"
#include "server/partition/refusals.h"
#include "server/retention/retention.h"
#include "storage/store_key.h"

namespace latchkey {

inline std::string_view NamespaceOrDefault(const std::string& name_space) {
  return name_space.empty() ? std::string_view("default") : std::string_view(name_space);
}

template <class Request>
std::string StoreKeyOf(const Request& request) {
  return storage::MakeStoreKey(NamespaceOrDefault(request.namespace_()), request.key());
}

struct CallEnvironment {
  const Limits& limits;
  const Namespaces& namespaces;
  Clock& clock;
  Retention& retention;
  Partitions& partitions;
  ReplyBudget& reply_budget;
  const FailStop& fail_stop;
  const std::atomic<bool>& shutting_down;
  // Null: nobody is asked for credentials.
  const Access* access = nullptr;
  Meter& meter = Meter::None();

  // For calls that ask neither a partition nor the store, which say so themselves.
  std::optional<Refusal> NotServing() const {
    if (fail_stop.tripped()) return StorageUnavailable();
    if (shutting_down.load()) return ShuttingDown();
    return std::nullopt;
  }

  // Whether anybody counts, so that a call which nobody counts need not read the clock.
  bool measures() const { return &meter != &Meter::None(); }

  // The call that arrived then is being answered: with OK, or refused.
  void Answered(Rpc rpc, MonotonicTime arrived, const std::optional<Refusal>& refusal) const {
    if (measures()) meter.OnAnswered(rpc, clock.Monotonic() - arrived, refusal);
  }

  // What is wrong with the request itself, if anything is.
  template <class Request>
  std::optional<Refusal> Check(const Request& request) const {
    CheckContext context;
    context.limits = &limits;
    context.settings = &namespaces.Get(NamespaceOrDefault(request.namespace_()));
    context.latest = retention.At(clock.Monotonic()).latest;
    return CheckRequest(request, context);
  }
  // The same, and then whether the caller may make it.
  template <class Request>
  std::optional<Refusal> Check(const Request& request, Caller& caller) const {
    if (auto wrong = Check(request)) return wrong;
    return caller.Check(RoleFor<Request>::kRole, NamespaceOrDefault(request.namespace_()));
  }
};

}  // namespace latchkey
