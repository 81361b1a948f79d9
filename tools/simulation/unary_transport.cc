#include "tools/simulation/unary_transport.h"

#include <utility>

#include "tools/simulation/unary.h"

namespace latchkey::simulation {
namespace {

using internal::Done;
using internal::TryLimits;

class UnaryTransport final : public internal::Transport {
 public:
  UnaryTransport(Network& network, Host& client) : network_(network), client_(client) {}

  void AcquireLock(v1::AcquireLockRequest request, TryLimits limits,
                   Done<v1::AcquireLockResponse> done) override {
    Go(std::move(request), std::move(limits), std::move(done));
  }
  void RenewLease(v1::RenewLeaseRequest request, TryLimits limits,
                  Done<v1::RenewLeaseResponse> done) override {
    Go(std::move(request), std::move(limits), std::move(done));
  }
  void CheckResult(v1::CheckResultRequest request, TryLimits limits,
                   Done<v1::CheckResultResponse> done) override {
    Go(std::move(request), std::move(limits), std::move(done));
  }
  void RecordResult(v1::RecordResultRequest request, TryLimits limits,
                    Done<v1::RecordResultResponse> done) override {
    Go(std::move(request), std::move(limits), std::move(done));
  }
  void Release(v1::ReleaseRequest request, TryLimits limits,
               Done<v1::ReleaseResponse> done) override {
    Go(std::move(request), std::move(limits), std::move(done));
  }
  // Asks no partition; not simulated.
  void IssueKey(v1::IssueKeyRequest, TryLimits, Done<v1::IssueKeyResponse> done) override {
    done({grpc::StatusCode::UNIMPLEMENTED, "", ""}, {});
  }
  void Shutdown() override { *shut_down_ = true; }

 private:
  template <class Request, class Response>
  void Go(Request request, TryLimits limits, Done<Response> done) {
    if (*shut_down_) return done({grpc::StatusCode::CANCELLED, "closed", ""}, {});
    network_.Call<Request, Response>(client_, std::move(request), std::move(limits),
                                     [done = std::move(done), over = shut_down_](
                                         const internal::CallStatus& status, Response response) {
                                       if (*over)
                                         return done({grpc::StatusCode::CANCELLED, "closed", ""},
                                                     {});
                                       done(status, std::move(response));
                                     });
  }

  Network& network_;
  Host& client_;
  const std::shared_ptr<bool> shut_down_ = std::make_shared<bool>(false);
};

}  // namespace

std::shared_ptr<internal::Transport> MakeUnaryTransport(Network& network, Host& client) {
  return std::make_shared<UnaryTransport>(network, client);
}

}  // namespace latchkey::simulation
