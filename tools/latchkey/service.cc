#include "tools/latchkey/service.h"

#include <algorithm>
#include <thread>

#include "client/src/failure.h"
#include <grpc/support/time.h>

namespace latchkey::cli {
namespace {

constexpr std::chrono::milliseconds kFirstPause(50);
constexpr std::chrono::milliseconds kLongestPause(1000);

gpr_timespec In(std::chrono::nanoseconds duration) {
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                      gpr_time_from_nanos(duration.count(), GPR_TIMESPAN));
}

}  // namespace

Service::Service(const ConnectionOptions& options)
    : address_(options.address), timeout_(options.timeout) {
  const auto channel = MakeChannel(options);
  coordination_ = v1::CoordinationService::NewStub(channel);
  admin_ = v1::AdminService::NewStub(channel);
}

Error Service::Explain(const grpc::Status& status, bool* broken) const {
  auto failure =
      internal::Explain({status.error_code(), status.error_message(), status.error_details()});
  if (broken != nullptr) *broken = failure.broken || failure.retry_after.count() > 0;
  if (!failure.broken) failure.error.kind = Error::Kind::kRefused;
  if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED) {
    failure.error.reason = "NOT_IMPLEMENTED";
    failure.error.message = address_ + " does not offer this call";
  } else if (failure.broken && failure.error.reason.empty()) {
    failure.error.message = address_ + " does not answer: " + failure.error.message;
  }
  return failure.error;
}

std::optional<Error> Service::Try(const std::function<grpc::Status(grpc::ClientContext&)>& call,
                                  std::chrono::nanoseconds wait, Repeat repeat) const {
  const auto until = std::chrono::steady_clock::now() + timeout_ + wait;
  for (auto pause = kFirstPause;; pause = std::min(2 * pause, kLongestPause)) {
    grpc::ClientContext context;
    const auto left = until - std::chrono::steady_clock::now();
    context.set_deadline(In(std::max<std::chrono::nanoseconds>(left, {})));
    const grpc::Status status = call(context);
    if (status.ok()) return std::nullopt;
    bool broken = false;
    Error error = Explain(status, &broken);
    if (!broken || repeat == Repeat::kNo || std::chrono::steady_clock::now() + pause >= until) {
      return error;
    }
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace latchkey::cli
