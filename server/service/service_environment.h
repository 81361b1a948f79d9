// What the services share. Everything here outlives them.
#pragma once

#include <atomic>
#include <string>

#include "base/clock.h"
#include "server/machine/limits.h"
#include "server/machine/namespaces.h"
#include "server/machine/request_checks.h"
#include "server/partition/fail_stop.h"
#include "server/partition/partitions.h"
#include "server/partition/refusals.h"
#include "server/retention/retention.h"
#include "server/service/reply_budget.h"
#include "server/service/unary_call.h"
#include "storage/store_key.h"

namespace latchkey {

inline std::string_view NamespaceOrDefault(const std::string& name_space) {
  return name_space.empty() ? std::string_view("default") : std::string_view(name_space);
}

struct ServiceEnvironment {
  const Limits& limits;
  const Namespaces& namespaces;
  Clock& clock;
  Retention& retention;
  Partitions& partitions;
  ReplyBudget& reply_budget;
  const FailStop& fail_stop;
  const std::atomic<bool>& shutting_down;

  // For calls that ask neither a partition nor the store, which say so themselves.
  std::optional<Refusal> NotServing() const {
    if (fail_stop.tripped()) return StorageUnavailable();
    if (shutting_down.load()) return ShuttingDown();
    return std::nullopt;
  }

  template <class Request>
  std::optional<Refusal> Check(const Request& request) const {
    CheckContext context;
    context.limits = &limits;
    context.settings = &namespaces.Get(NamespaceOrDefault(request.namespace_()));
    context.latest = retention.At(clock.Monotonic()).latest;
    return CheckRequest(request, context);
  }

  // Refuses a malformed request, and hands any other to the partition of its key.
  template <class Request, class Response>
  grpc::ServerUnaryReactor* Start(const Request& request, Response* response) const {
    auto* call = new UnaryCall<Request, Response>(
        request, response,
        storage::MakeStoreKey(NamespaceOrDefault(request.namespace_()), request.key()), clock,
        partitions, reply_budget);
    if (auto refusal = Check(request)) {
      call->Finish(std::move(refusal));
    } else {
      partitions.Submit(*call);
    }
    return call;
  }
};

}  // namespace latchkey
