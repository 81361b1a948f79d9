#include "tools/simulation/payer_process.h"

#include <utility>

#include "client/src/rpc_connection.h"
#include "client/src/session_transport.h"
#include "server/machine/downstream_key.h"
#include "tools/simulation/unary_transport.h"

namespace latchkey::simulation {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

std::string DownstreamKeyOf(const std::string& key) {
  return DownstreamIdempotencyKey("default", key);
}

}  // namespace

PayerProcess::PayerProcess(Payer& host, Network& network, Provider& provider, PayerEvents& events)
    : host_(host),
      network_(network),
      provider_(provider),
      events_(events),
      life_(host.life()),
      runtime_(std::make_shared<SimulatedRuntime>(host, host.clock(), network.random())) {}

PayerProcess::~PayerProcess() {
  open_.clear();
  client_.reset();
  leases_.clear();
  runtime_->Stop();
}

void PayerProcess::Start() {
  ClientOptions options;
  options.holder_id = host_.name() + "-" + std::to_string(life_);
  client_.emplace(Connect(), options);
  for (int slot = 0; slot < swarm().works; ++slot) Next(slot);
}

std::shared_ptr<internal::Connection> PayerProcess::Connect() {
  auto transport = MakeUnaryTransport(network_, host_);
  if (random().Chance(0.7)) {
    // The client's last words may come when this is gone.
    const auto open = [&network = network_,
                       &host = host_](std::shared_ptr<internal::SessionEvents> events) {
      return network.Open(host, std::move(events));
    };
    transport = internal::MakeSessionTransport(runtime_, open, std::move(transport));
  }
  const Duration pause = random().OneOf<Duration>({500ms, 2s});
  return std::make_shared<internal::RpcConnection>(
      internal::Link{.runtime = runtime_,
                     .transport = std::move(transport),
                     .rpc_timeout = random().OneOf<Duration>({300ms, 1s, 5s}),
                     .backoff = internal::Backoff(20ms, pause)});
}

void PayerProcess::Next(int slot) {
  if (host_.retired()) return;
  After(random().LogBetween(1ms, 800ms), [this, slot] {
    if (host_.retired() || !client_.has_value()) return;
    const std::uint64_t choice = random().Below(10);
    if (choice < 7) return Pay(slot);
    if (choice < 8) return Check(slot);
    Lock(slot);
  });
}

std::uint64_t PayerProcess::Begin(const std::string& what) {
  ++counts().begun;
  open_.emplace(++calls_, what);
  return calls_;
}

void PayerProcess::OnAnswer(int slot, std::uint64_t call) {
  if (open_.erase(call) == 0) {
    events_.OnViolation("L10", host_.name() + " was called back twice");
    return;
  }
  ++counts().answered;
  Next(slot);
}

// Some keys at a time, so that callers meet; new ones as time goes.
std::string PayerProcess::PaymentKey() {
  const auto generation = network_.scheduler().now() / 4s;
  const auto place = random().Below(static_cast<std::uint64_t>(swarm().payment_keys));
  return "pay-" + std::to_string(generation) + "-" + std::to_string(place);
}

AcquireOptions PayerProcess::PaymentOptions(const std::string& key, bool mark) {
  AcquireOptions options;
  options.fingerprint = "work-of-" + key;
  options.lease_duration = random().LogBetween(swarm().lease_min, swarm().lease_max);
  options.wait_timeout = random().OneOf<Duration>({0s, 200ms, 1s, 5s});
  options.acquire_timeout = random().OneOf<Duration>({500ms, 2s, 6s});
  options.record_timeout = random().OneOf<Duration>({500ms, 3s, 15s});
  if (mark) options.on_lapse = OnLapse::kForgetUnlessStarted;
  // A little less than the provider says, for clocks that drift apart.
  options.downstream_key_ttl = provider_.window() * 98 / 100;
  return options;
}

void PayerProcess::Pay(int slot) {
  const std::string key = PaymentKey();
  const bool mark = random().Chance(0.3);
  AcquireOptions options = PaymentOptions(key, mark);
  const std::uint64_t call = Begin("pay " + key);
  if (random().Chance(0.1)) {
    const auto stop = std::make_shared<std::stop_source>();
    options.stop = stop->get_token();
    After(random().LogBetween(1ms, 5s), [stop] { stop->request_stop(); });
  }
  client_->RunOnceAsync(
      key, options,
      [this, mark, host = &host_, life = life_](std::shared_ptr<Attempt> attempt, Done done) {
        if (host->life() != life) return;
        Remember(attempt);
        Create(attempt, mark, done);
      },
      [this, host = &host_, life = life_](std::shared_ptr<Attempt> attempt, Done done) {
        if (host->life() != life) return;
        Remember(attempt);
        Recover(attempt, done);
      },
      [this, slot, call, key, host = &host_, life = life_](const RunResult& run) {
        if (host->life() != life) return;
        OnPaid(key, run);
        OnAnswer(slot, call);
      });
}

void PayerProcess::OnPaid(const std::string& key, const RunResult& run) {
  Note(key + " is " + ToString(run.status) + (run.replayed ? ", replayed" : "") +
       (run.error ? ": " + run.error->reason : ""));
  counts().replayed += run.replayed ? 1 : 0;
  counts().recovered += run.recovered ? 1 : 0;
  counts().in_doubt += run.status == RunResult::Status::kInDoubt ? 1 : 0;
  const std::string downstream = DownstreamKeyOf(key);
  if (run.status == RunResult::Status::kSucceeded) {
    ++counts().succeeded;
    const std::string truth = provider_.reference(downstream);
    if (run.result->provider_reference != truth) {
      events_.OnViolation("I2", key + " is answered with " + run.result->provider_reference +
                                    "; the provider has " + truth);
    }
  }
  if (run.status == RunResult::Status::kRejected && provider_.effects(downstream) > 0) {
    events_.OnViolation("I5", key + " is answered as rejected, and was charged");
  }
  if (run.result) events_.OnSpent(key, run.result->fencing_token);
}

void PayerProcess::Check(int slot) {
  const std::string key = PaymentKey();
  const std::uint64_t call = Begin("check " + key);
  CheckOptions options;
  if (random().Chance(0.5)) options.fingerprint = "work-of-" + key;
  options.wait_timeout = random().OneOf<Duration>({0s, 500ms, 3s});
  options.timeout = 2s;
  client_->CheckResultAsync(key, options,
                            [this, slot, call, host = &host_, life = life_](const auto&) {
                              if (host->life() == life) OnAnswer(slot, call);
                            });
}

bool PayerProcess::idle() const {
  return open_.empty() && (!client_.has_value() || client_->undelivered() == 0);
}

std::string PayerProcess::Describe() const {
  std::string text = host_.name() + ":";
  for (const auto& [call, what] : open_) text += " " + what + ";";
  if (client_.has_value()) {
    text += " " + std::to_string(client_->undelivered()) + " undelivered";
  }
  return text;
}

std::uint64_t PayerProcess::Believes(const std::string& key, std::uint64_t fencing_token) const {
  const auto believes = [&](Attempt& attempt) {
    return attempt.key() == key && attempt.fencing_token() < fencing_token &&
           attempt.state() != LeaseState::kLost;
  };
  for (const auto& [token, weak] : attempts_) {
    const auto attempt = weak.lock();
    if (attempt != nullptr && believes(*attempt)) return token;
  }
  for (const auto& [call, lease] : leases_) {
    if (believes(*lease)) return lease->fencing_token();
  }
  return 0;
}

}  // namespace latchkey::simulation
