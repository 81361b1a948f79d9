#include "tools/latchkey/service.h"

#include <algorithm>
#include <thread>
#include <vector>

#include "client/src/failover_transport.h"
#include "client/src/failure.h"
#include <grpc/support/time.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

namespace latchkey::cli {
namespace {

constexpr std::chrono::milliseconds kFirstPause(50);
constexpr std::chrono::milliseconds kLongestPause(1000);

gpr_timespec In(std::chrono::nanoseconds duration) {
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                      gpr_time_from_nanos(duration.count(), GPR_TIMESPAN));
}

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address,
                                           const internal::Security& security) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  arguments.SetInt(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, 16 << 20);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5'000);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  security.SetArguments(arguments);
  return grpc::CreateCustomChannel(address, security.MakeChannelCredentials(), arguments);
}

// Of several servers that share one store the first that can be connected to within the time, and
// the first of all where none can.
std::string ChooseAddress(const ConnectionOptions& options) {
  const std::vector<std::string> addresses = internal::AddressesIn(options.address);
  if (addresses.size() == 1) return addresses.front();
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  for (const std::string& address : addresses) {
    channels.push_back(MakeChannel(address, internal::Security(address, ToClientOptions(options))));
    (void)channels.back()->GetState(/*try_to_connect=*/true);
  }
  const auto until = std::chrono::steady_clock::now() + options.timeout;
  do {
    for (std::size_t i = 0; i < channels.size(); ++i) {
      if (channels[i]->WaitForConnected(In(kFirstPause))) return addresses[i];
    }
  } while (std::chrono::steady_clock::now() < until);
  return addresses.front();
}

}  // namespace

Service::Service(const ConnectionOptions& options)
    : address_(ChooseAddress(options)),
      timeout_(options.timeout),
      security_(address_, ToClientOptions(options)) {
  const auto channel = MakeChannel(address_, security_);
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

grpc::Status Service::Protected(grpc::ClientContext& context,
                                const std::function<grpc::Status(grpc::ClientContext&)>& call) {
  const internal::Security::Shown shown = security_.Show(context);
  const grpc::Status status = call(context);
  const internal::CallStatus judged =
      security_.Judge(shown, {status.error_code(), status.error_message(), status.error_details()});
  return {judged.code, judged.message, judged.details};
}

std::optional<Error> Service::Try(const std::function<grpc::Status(grpc::ClientContext&)>& call,
                                  std::chrono::nanoseconds wait, Repeat repeat) {
  const auto until = std::chrono::steady_clock::now() + timeout_ + wait;
  for (auto pause = kFirstPause;; pause = std::min(2 * pause, kLongestPause)) {
    grpc::ClientContext context;
    const auto left = until - std::chrono::steady_clock::now();
    context.set_deadline(In(std::max<std::chrono::nanoseconds>(left, {})));
    const grpc::Status status = Protected(context, call);
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
