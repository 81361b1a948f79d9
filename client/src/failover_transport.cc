#include "failover_transport.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <utility>

#include "failure.h"

namespace latchkey::inline client::internal {
namespace {

// Which transport is in use. Shared with the calls under way.
class Place {
 public:
  explicit Place(std::size_t count) : count_(count) {}
  std::size_t Now() const { return place_.load(); }
  // Of many calls that break at one server, the first moves on.
  void Leave(std::size_t place) { place_.compare_exchange_strong(place, (place + 1) % count_); }

 private:
  const std::size_t count_;
  std::atomic<std::size_t> place_ = 0;
};

class FailoverTransport final : public Transport {
 public:
  explicit FailoverTransport(std::vector<std::shared_ptr<Transport>> transports)
      : transports_(std::move(transports)), place_(std::make_shared<Place>(transports_.size())) {}

  void AcquireLock(v1::AcquireLockRequest request, TryLimits limits,
                   Done<v1::AcquireLockResponse> done) override {
    Start(&Transport::AcquireLock, std::move(request), std::move(limits), std::move(done));
  }
  void RenewLease(v1::RenewLeaseRequest request, TryLimits limits,
                  Done<v1::RenewLeaseResponse> done) override {
    Start(&Transport::RenewLease, std::move(request), std::move(limits), std::move(done));
  }
  void CheckResult(v1::CheckResultRequest request, TryLimits limits,
                   Done<v1::CheckResultResponse> done) override {
    Start(&Transport::CheckResult, std::move(request), std::move(limits), std::move(done));
  }
  void RecordResult(v1::RecordResultRequest request, TryLimits limits,
                    Done<v1::RecordResultResponse> done) override {
    Start(&Transport::RecordResult, std::move(request), std::move(limits), std::move(done));
  }
  void Release(v1::ReleaseRequest request, TryLimits limits,
               Done<v1::ReleaseResponse> done) override {
    Start(&Transport::Release, std::move(request), std::move(limits), std::move(done));
  }
  void IssueKey(v1::IssueKeyRequest request, TryLimits limits,
                Done<v1::IssueKeyResponse> done) override {
    Start(&Transport::IssueKey, std::move(request), std::move(limits), std::move(done));
  }

  void SetLostListener(const LostListener& listener) override {
    for (const auto& transport : transports_) transport->SetLostListener(listener);
  }

  void Shutdown() override {
    for (const auto& transport : transports_) transport->Shutdown();
  }

 private:
  template <typename Request, typename Response>
  void Start(void (Transport::*method)(Request, TryLimits, Done<Response>), Request request,
             TryLimits limits, Done<Response> done) {
    const std::size_t at = place_->Now();
    const std::stop_token stop = limits.stop;
    ((*transports_[at]).*method)(std::move(request), std::move(limits),
                                 [place = place_, at, stop, done = std::move(done)](
                                     const CallStatus& status, Response response) {
                                   const bool broken = status.code != grpc::StatusCode::OK &&
                                                       Explain(status).broken;
                                   if (broken && !stop.stop_requested()) place->Leave(at);
                                   done(status, std::move(response));
                                 });
  }

  const std::vector<std::shared_ptr<Transport>> transports_;
  const std::shared_ptr<Place> place_;
};

}  // namespace

std::vector<std::string> AddressesIn(const std::string& target) {
  const auto scheme = target.find(':');
  const std::string before = target.substr(0, scheme);
  const bool one = before == "ipv4" || before == "ipv6" || before == "dns" || before == "unix" ||
                   before == "unix-abstract" || before == "xds" ||
                   target.find("://") != std::string::npos;
  if (one) return {target};
  std::vector<std::string> addresses;
  for (std::size_t begin = 0; begin <= target.size();) {
    const auto comma = std::min(target.find(',', begin), target.size());
    if (comma > begin) addresses.push_back(target.substr(begin, comma - begin));
    begin = comma + 1;
  }
  return addresses.empty() ? std::vector{target} : addresses;
}

std::shared_ptr<Transport> MakeFailoverTransport(
    std::vector<std::shared_ptr<Transport>> transports) {
  if (transports.size() == 1) return transports.front();
  return std::make_shared<FailoverTransport>(std::move(transports));
}

}  // namespace latchkey::inline client::internal
