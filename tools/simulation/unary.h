// Unary calls over the simulated network.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <utility>

#include "server/calls/budgeted_call.h"
#include "server/calls/rpc_status.h"
#include "tools/simulation/network.h"
#include "tools/simulation/refused.h"
#include "tools/simulation/server_host.h"
#include "tools/simulation/server_life.h"

namespace latchkey::simulation {

template <class Request, class Response>
struct Messages {
  Request asked;
  Response said;
};

// What gRPC would make of one that arrived, over the shipped BudgetedCall.
template <class Request, class Response>
class SimulatedCall final : private Messages<Request, Response>,
                            public BudgetedCall<Request, Response> {
 public:
  using Reply = internal::Done<Response>;

  SimulatedCall(ServerLife& life, std::uint64_t number, Request to_ask, Reply reply)
      : Messages<Request, Response>{std::move(to_ask), {}},
        BudgetedCall<Request, Response>(life.environment(), life.environment().reply_budget,
                                        this->asked, &this->said,
                                        life.environment().clock.Monotonic()),
        life_(life),
        number_(number),
        reply_(std::move(reply)) {}

  const Request& request() const { return this->asked; }

 private:
  void Send(std::optional<Refusal> refusal) override {
    this->GiveBackBudget();
    life_.Forget(number_);
    if (!life_.dead()) Leave(refusal);
    delete this;
  }

  void Leave(const std::optional<Refusal>& refusal) {
    if (!refusal.has_value()) {
      life_.boundary().OnAnswered(number_, this->said);
      return reply_({}, std::move(this->said));
    }
    const auto status = ToRpcStatus(*refusal);
    life_.boundary().OnAnswered(number_, RefusedBy(status));
    reply_({static_cast<grpc::StatusCode>(status.code()), status.message(),
            status.SerializeAsString()},
           Response());
  }

  ServerLife& life_;
  const std::uint64_t number_;
  const Reply reply_;
};

// One try, as its caller sees it.
template <class Request, class Response>
class UnaryTry : public std::enable_shared_from_this<UnaryTry<Request, Response>> {
 public:
  UnaryTry(Network& network, Host& client, Request request, internal::Done<Response> done)
      : network_(network), client_(client), request_(std::move(request)), done_(std::move(done)) {}

  void Start(const internal::TryLimits& limits) {
    // What a process does while it ends is not heard of.
    if (!client_.up()) return;
    const auto self = this->shared_from_this();
    client_.RunAfter(limits.timeout, [self] {
      self->End({grpc::StatusCode::DEADLINE_EXCEEDED, "time is up", ""}, {});
      self->Cancel();
    });
    if (limits.stop.stop_possible()) {
      stop_.emplace(limits.stop, [weak = this->weak_from_this()] {
        if (const auto stopped = weak.lock()) stopped->Stop();
      });
    }
    Send();
    if (network_.random().Chance(network_.swarm().duplicated)) Send();
  }

 private:
  void Send() {
    if (network_.random().Chance(network_.swarm().lost)) return;
    network_.scheduler().After(network_.Latency(), [self = this->shared_from_this()] {
      ServerHost& server = self->network_.server();
      if (!server.serving()) return self->Refuse();
      server.RunAfter(Duration::zero(), [self] { self->Arrive(); });
    });
  }

  void Refuse() {
    client_.RunAfter(network_.Latency(), [self = this->shared_from_this()] {
      self->End({grpc::StatusCode::UNAVAILABLE, "connection refused", ""}, {});
    });
  }

  void Arrive() {
    ServerLife& life = network_.server().life_now();
    number_ = network_.NextCallNumber();
    life.boundary().OnArrived(number_, request_);
    auto* call = new SimulatedCall<Request, Response>(
        life, number_, request_,
        [self = this->shared_from_this()](const internal::CallStatus& status, Response response) {
          self->Return(status, std::move(response));
        });
    life.Remember(number_, call);
    if (auto refusal = life.environment().Check(call->request())) {
      static_cast<latchkey::Call*>(call)->Finish(std::move(refusal));
    } else {
      life.environment().partitions.Submit(*call);
    }
    life.WakePartitions();
  }

  void Return(const internal::CallStatus& status, Response response) {
    if (network_.random().Chance(network_.swarm().lost)) return;
    client_.RunAfter(network_.Latency(),
                     [self = this->shared_from_this(), status, response = std::move(response)] {
                       self->End(status, response);
                     });
  }

  void Stop() {
    client_.RunAfter(Duration::zero(), [self = this->shared_from_this()] {
      self->End({grpc::StatusCode::CANCELLED, "stopped", ""}, {});
      self->Cancel();
    });
  }

  void End(const internal::CallStatus& status, Response response) {
    if (!done_) return;
    stop_.reset();
    std::exchange(done_, nullptr)(status, std::move(response));
  }

  // The server is told that nobody waits any more; of the last copy that arrived.
  void Cancel() {
    network_.scheduler().After(network_.Latency(), [self = this->shared_from_this()] {
      ServerHost& server = self->network_.server();
      if (!server.serving() || self->number_ == 0) return;
      server.RunAfter(Duration::zero(),
                      [self, &server] { server.life_now().Cancel(self->number_); });
    });
  }

  Network& network_;
  Host& client_;
  const Request request_;
  internal::Done<Response> done_;
  std::uint64_t number_ = 0;
  std::optional<std::stop_callback<std::function<void()>>> stop_;
};

template <class Request, class Response>
void Network::Call(Host& client, Request request, internal::TryLimits limits,
                   internal::Done<Response> done) {
  std::make_shared<UnaryTry<Request, Response>>(*this, client, std::move(request), std::move(done))
      ->Start(limits);
}

}  // namespace latchkey::simulation
