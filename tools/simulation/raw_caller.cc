#include "tools/simulation/raw_caller.h"

#include <utility>

#include "server/machine/proto_time.h"
#include "tools/simulation/unary.h"

namespace latchkey::simulation {
namespace {

using std::chrono_literals::operator""h;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

constexpr std::size_t kRemembered = 12;

// The arena's keys have settings of their own.
std::string NamespaceOf(const std::string& key) {
  return key.starts_with("arena") ? std::string(kArena) : "";
}

template <class Request>
Request About(const Claim& claim) {
  Request request;
  request.set_namespace_(NamespaceOf(claim.key));
  request.set_key(claim.key);
  return request;
}

template <class Request>
Request ByOperator(const Claim& claim) {
  auto request = About<Request>(claim);
  request.set_expected_fencing_token(claim.fencing_token);
  request.set_actor("operator");
  request.set_reason("because");
  return request;
}

}  // namespace

void Claims::Add(Claim claim) {
  latest_.push_back(std::move(claim));
  if (latest_.size() > kRemembered) latest_.pop_front();
}

const Claim* Claims::Any(Random& random) const {
  if (latest_.empty()) return nullptr;
  return &latest_[random.Below(latest_.size())];
}

// What comes back over its own session.
class RawCaller::Events final : public internal::SessionEvents {
 public:
  explicit Events(RawCaller& caller) : caller_(caller), life_(caller.life()) {}

  void OnFrame(v1::SessionResponse& frame) override {
    if (caller_.life() != life_) return;
    for (const auto& reply : frame.replies()) {
      const auto asked = caller_.asked_.extract(reply.call_id());
      if (!asked.empty() && reply.has_acquire_lock()) {
        caller_.Learn(asked.mapped(), reply.acquire_lock());
      }
    }
  }
  void OnWritten() override {}
  void OnEnded(const internal::CallStatus&) override {
    if (caller_.life() == life_) caller_.stream_.reset();
  }

 private:
  RawCaller& caller_;
  const std::uint64_t life_;
};

RawCaller::RawCaller(Network& network, Claims& claims, Claims& spent, std::string name)
    : Host(network.scheduler(), std::move(name)),
      network_(network),
      claims_(claims),
      spent_(spent) {}

RawCaller::~RawCaller() = default;

void RawCaller::Start() {
  if (up() || retired_) return;
  BeginLife();
  Next();
}

void RawCaller::Kill() {
  if (!up()) return;
  EndLife();
  network_.OnClientDied(*this);
  stream_.reset();
  scheduler().After(random().LogBetween(10ms, 3s), [this] { Start(); });
}

void RawCaller::Next() {
  RunAfter(random().LogBetween(1ms, 500ms), [this] {
    if (retired_) return;
    Act();
    Next();
  });
}

void RawCaller::Act() {
  switch (random().Below(12)) {
    case 0:
    case 1:
    case 2:
      return Acquire();
    case 3:
      return Send<v1::RenewLeaseResponse>(AnyRenewal());
    case 4:
      return Send<v1::RecordResultResponse>(AnyRecord());
    case 5:
      return Send<v1::ReleaseResponse>(AnyRelease());
    case 6:
      return Send<v1::CheckResultResponse>(AnyCheck());
    case 7:
      return Administrate();
    case 8:
      return MisuseSpent();
    default:
      return SpeakSession();
  }
}

std::string RawCaller::ArenaKey() {
  const auto place = random().Below(static_cast<std::uint64_t>(network_.swarm().arena_keys));
  const auto generation = scheduler().now() / 15s;
  return "arena-" + std::to_string(generation) + "-" + std::to_string(place);
}

// Most often one that somebody has had; now and then one that nobody can have.
Claim RawCaller::AnyClaim() {
  const Claim* const known = claims_.Any(random());
  if (known == nullptr || random().Chance(0.05)) return {ArenaKey(), 1 + random().Below(400)};
  return *known;
}

v1::AcquireLockRequest RawCaller::AnyAcquire() {
  if (!recent_.empty() && random().Chance(0.25)) return recent_[random().Below(recent_.size())];
  auto request = About<v1::AcquireLockRequest>({ArenaKey()});
  request.set_attempt_id(name() + "-" + std::to_string(++ids_));
  request.set_holder_id(request.attempt_id());
  SetProto(random().LogBetween(100ms, 3s), request.mutable_lease_duration());
  if (random().Chance(0.6)) {
    SetProto(random().LogBetween(50ms, 4s), request.mutable_wait_timeout());
  }
  request.set_on_lapse(static_cast<v1::AcquireLockRequest::OnLapse>(random().Below(4)));
  request.set_accept_recover(random().Chance(0.7));
  if (random().Chance(0.2)) request.set_fingerprint(random().Chance(0.3) ? "F2" : "F1");
  if (random().Chance(0.1)) {
    SetProto(network_.server().life_wall() - random().LogBetween(1s, 24h * 200),
             request.mutable_first_sent_at());
  }
  recent_.push_back(request);
  if (recent_.size() > kRemembered) recent_.pop_front();
  return request;
}

v1::RenewLeaseRequest RawCaller::AnyRenewal() {
  const Claim claim = AnyClaim();
  auto request = About<v1::RenewLeaseRequest>(claim);
  request.set_fencing_token(claim.fencing_token);
  if (random().Chance(0.4)) {
    SetProto(random().LogBetween(100ms, 4s), request.mutable_lease_duration());
  }
  request.set_effect_started(random().Chance(0.2));
  if (random().Chance(0.3)) request.set_checkpoint("checkpoint " + std::to_string(++ids_));
  return request;
}

v1::RecordResultRequest RawCaller::AnyRecord() {
  const Claim claim = AnyClaim();
  auto request = About<v1::RecordResultRequest>(claim);
  request.set_fencing_token(claim.fencing_token);
  request.set_outcome(random().Chance(0.8) ? v1::Result::SUCCEEDED : v1::Result::REJECTED);
  request.set_code("code-" + std::to_string(random().Below(3)));
  request.set_provider_reference("reference-" + name() + "-" + std::to_string(++ids_ % 4));
  request.set_payload(std::string(random().Chance(0.2) ? 12'000 : random().Below(100), 'p'));
  return request;
}

v1::ReleaseRequest RawCaller::AnyRelease() {
  if (!recent_.empty() && random().Chance(0.3)) {
    const auto& attempt = recent_[random().Below(recent_.size())];
    auto request = About<v1::ReleaseRequest>({attempt.key()});
    request.set_attempt_id(attempt.attempt_id());
    return request;
  }
  const Claim claim = AnyClaim();
  auto request = About<v1::ReleaseRequest>(claim);
  request.set_fencing_token(claim.fencing_token);
  request.set_effect(static_cast<v1::ReleaseRequest::Effect>(random().Below(4)));
  return request;
}

v1::CheckResultRequest RawCaller::AnyCheck() {
  auto request = About<v1::CheckResultRequest>({ArenaKey()});
  if (random().Chance(0.5)) {
    SetProto(random().LogBetween(50ms, 3s), request.mutable_wait_timeout());
  }
  if (random().Chance(0.2)) request.set_fingerprint(random().Chance(0.3) ? "F2" : "F1");
  return request;
}

template <class Response, class Request>
void RawCaller::Send(Request request) {
  ++calls_;
  const Duration patience = random().LogBetween(20ms, 6s);
  const std::string key = request.key();
  network_.Call<Request, Response>(
      *this, std::move(request), {patience},
      [this, key, born = life()](const internal::CallStatus& status, const Response& response) {
        if (born != life() || status.code != grpc::StatusCode::OK) return;
        if constexpr (std::is_same_v<Response, v1::AcquireLockResponse>) Learn(key, response);
        if constexpr (std::is_same_v<Response, v1::GetRecordResponse>) {
          claims_.Add({key, response.record().fencing_token()});
        }
      });
}

void RawCaller::Learn(const std::string& key, const v1::AcquireLockResponse& response) {
  if (!response.has_grant()) return;
  claims_.Add({key, response.grant().fencing_token()});
}

// Sometimes again before the first has been answered.
void RawCaller::Acquire() {
  const v1::AcquireLockRequest request = AnyAcquire();
  Send<v1::AcquireLockResponse>(request);
  if (!random().Chance(0.2)) return;
  RunAfter(random().LogBetween(1ms, 500ms),
           [this, request] { Send<v1::AcquireLockResponse>(request); });
}

void RawCaller::Administrate() {
  const Claim claim = AnyClaim();
  switch (random().Below(5)) {
    case 0:
      return Send<v1::ForceReleaseResponse>(ByOperator<v1::ForceReleaseRequest>(claim));
    case 1:
      return Send<v1::DeleteRecordResponse>(ByOperator<v1::DeleteRecordRequest>(claim));
    case 2: {
      auto request = ByOperator<v1::ResolveOutcomeRequest>(claim);
      request.set_outcome(static_cast<v1::ResolveOutcomeRequest::Outcome>(1 + random().Below(3)));
      request.set_provider_reference("found-" + std::to_string(++ids_));
      return Send<v1::ResolveOutcomeResponse>(request);
    }
    default:
      return Send<v1::GetRecordResponse>(About<v1::GetRecordRequest>({ArenaKey()}));
  }
}

// Of a payment that is over: must change nothing.
void RawCaller::MisuseSpent() {
  const Claim* const claim = spent_.Any(random());
  if (claim == nullptr) return;
  const Claim old{claim->key, claim->fencing_token - random().Below(2)};
  switch (random().Below(4)) {
    case 0: {
      auto request = About<v1::RenewLeaseRequest>(old);
      request.set_fencing_token(old.fencing_token);
      return Send<v1::RenewLeaseResponse>(request);
    }
    case 1: {
      auto request = About<v1::ReleaseRequest>(old);
      request.set_fencing_token(old.fencing_token);
      request.set_effect(v1::ReleaseRequest::RUN_NOT_EXECUTED);
      return Send<v1::ReleaseResponse>(request);
    }
    case 2: {
      auto request = About<v1::RecordResultRequest>(old);
      request.set_fencing_token(old.fencing_token);
      request.set_outcome(v1::Result::REJECTED);
      request.set_code("invented");
      return Send<v1::RecordResultResponse>(request);
    }
    default: {
      auto request = About<v1::CheckResultRequest>(old);
      request.set_fingerprint("somebody else's work");
      return Send<v1::CheckResultResponse>(request);
    }
  }
}

void RawCaller::SpeakSession() {
  if (stream_ == nullptr) {
    stream_ = network_.OpenStream(*this, std::make_shared<Events>(*this));
    call_ids_ = 0;
    asked_.clear();
  }
  const auto stream = stream_;
  const std::uint64_t choice = random().Below(40);
  if (choice == 0) return stream->ClientWrites("no SessionRequest");
  if (choice == 1) return stream->ClientHalfCloses();
  if (choice == 2) return stream->ClientCancels();
  stream->ClientWrites(AnyFrame());
}

std::string RawCaller::AnyFrame() {
  v1::SessionRequest frame;
  for (std::uint64_t calls = random().Below(5); calls > 0; --calls) AddCall(frame);
  if (random().Chance(0.3)) {
    frame.mutable_heartbeat()->set_heartbeat_id(++ids_);
    for (std::uint64_t leases = random().Below(4); leases > 0; --leases) {
      const Claim claim = AnyClaim();
      auto* lease = frame.mutable_heartbeat()->add_leases();
      lease->set_namespace_(NamespaceOf(claim.key));
      lease->set_key(claim.key);
      lease->set_fencing_token(claim.fencing_token);
    }
  }
  return frame.SerializeAsString();
}

void RawCaller::AddCall(v1::SessionRequest& frame) {
  ++calls_;
  auto* call = frame.add_calls();
  // Very seldom one that is in use.
  call->set_call_id(random().Chance(0.002) ? call_ids_ : ++call_ids_);
  switch (random().Below(8)) {
    case 0:
      *call->mutable_renew_lease() = AnyRenewal();
      return;
    case 1:
      *call->mutable_record_result() = AnyRecord();
      return;
    case 2:
      *call->mutable_release() = AnyRelease();
      return;
    case 3:
      *call->mutable_check_result() = AnyCheck();
      return;
    case 4:
      call->mutable_cancel()->set_call_id(1 + random().Below(call_ids_ + 1));
      return;
    case 5:
      return;  // asks for nothing
    default:
      *call->mutable_acquire_lock() = AnyAcquire();
      asked_[call->call_id()] = call->acquire_lock().key();
  }
}

}  // namespace latchkey::simulation
