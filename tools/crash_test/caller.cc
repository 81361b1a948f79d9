#include "tools/crash_test/caller.h"

#include <future>
#include <thread>
#include <utility>

namespace latchkey::crash {
namespace {

constexpr Milliseconds kPatience{3000};
constexpr std::size_t kClaimsKept = 64;
// All callers of all processes turn to new keys together, and so meet on them.
constexpr std::int64_t kGenerationMillis = 1500;
constexpr std::uint64_t kKeysPerGeneration = 6;
// Locked and released only. Used for longer, and not for ever: the judge of linearizability takes
// long for a key with very many calls that were not answered.
constexpr std::int64_t kMutexMillis = 2500;
constexpr std::uint64_t kMutexes = 2;

void Set(std::int64_t milliseconds, google::protobuf::Duration* duration) {
  duration->set_seconds(milliseconds / 1000);
  duration->set_nanos(static_cast<std::int32_t>(milliseconds % 1000 * 1'000'000));
}

template <class Request>
Request About(const Claim& claim) {
  Request request;
  request.set_namespace_(claim.name_space);
  request.set_key(claim.key);
  return request;
}

template <class Request>
Request ByOperator(const Claim& claim) {
  auto request = About<Request>(claim);
  request.set_expected_fencing_token(claim.fencing_token);
  request.set_actor("crash-test");
  request.set_reason("to see what happens");
  return request;
}

}  // namespace

void Claims::Add(const Claim& claim) {
  std::lock_guard<std::mutex> lock(mutex_);
  latest_.push_back(claim);
  if (latest_.size() > kClaimsKept) latest_.pop_front();
}

std::optional<Claim> Claims::Any(std::mt19937_64& random) const {
  std::lock_guard<std::mutex> lock(mutex_);
  if (latest_.empty()) return std::nullopt;
  return latest_[random() % latest_.size()];
}

Caller::Caller(Service& service, Claims& claims, std::string name, std::uint64_t seed,
               const std::atomic<bool>& stop)
    : service_(service), claims_(claims), name_(std::move(name)), random_(seed), stop_(stop) {}

void Caller::Run() {
  while (!stop_) {
    const std::uint64_t choice = Draw(100);
    if (choice < 58) {
      Work(PickKey());
    } else if (choice < 74) {
      Check();
    } else if (choice < 86) {
      UseOldToken();
    } else if (choice < 95) {
      Administrate();
    } else if (choice < 97) {
      WorkOnIssuedKey();
    } else if (choice < 99) {
      Abandon();
    } else {
      WorkTooLate();
    }
    Pause(Between(0, 30));
  }
}

std::int64_t Caller::Between(std::int64_t least, std::int64_t most) {
  return least + static_cast<std::int64_t>(Draw(static_cast<std::uint64_t>(most - least + 1)));
}

std::string Caller::NextId() { return name_ + "-" + std::to_string(++ids_); }

Caller::Key Caller::PickKey() {
  Key key;
  if (Chance(15)) {
    key.key = "mutex-" + std::to_string(MonotonicNanos() / 1'000'000 / kMutexMillis) + "-" +
              std::to_string(Draw(kMutexes));
    key.is_mutex = true;
    return key;
  }
  std::int64_t generation = MonotonicNanos() / 1'000'000 / kGenerationMillis;
  if (Chance(15)) generation -= Between(1, 4);
  key.name_space = Chance(10) ? "other" : "";
  key.key = "key-" + std::to_string(generation) + "-" + std::to_string(Draw(kKeysPerGeneration));
  key.fingerprint = key.name_space + "work-of-" + key.key;
  return key;
}

void Caller::Pause(std::int64_t milliseconds) {
  if (!stop_) std::this_thread::sleep_for(Milliseconds(milliseconds));
}

v1::AcquireLockRequest Caller::MakeAcquire(const Key& key) {
  v1::AcquireLockRequest request;
  request.set_namespace_(key.name_space);
  request.set_key(key.key);
  request.set_attempt_id(NextId());
  request.set_holder_id(request.attempt_id());
  if (!Chance(10)) request.set_fingerprint(Chance(4) ? "something else" : key.fingerprint);
  Set(Between(100, 400), request.mutable_lease_duration());
  if (Chance(50)) Set(Between(100, 2500), request.mutable_wait_timeout());
  request.set_on_lapse(key.is_mutex ? v1::AcquireLockRequest::FORGET
                                    : static_cast<v1::AcquireLockRequest::OnLapse>(Draw(4)));
  request.set_accept_recover(Chance(80));
  if (Chance(30)) Set(3'600'000, request.mutable_downstream_key_ttl());
  return request;
}

void Caller::Work(const Key& key) {
  Hold hold;
  hold.key = key;
  hold.request = MakeAcquire(key);
  const auto& lease = hold.request.lease_duration();
  hold.lease_ms = lease.seconds() * 1000 + lease.nanos() / 1'000'000;
  const auto grant = Chance(12) ? AcquireTwice(hold.request) : Acquire(hold.request);
  if (!grant.has_value()) return;
  hold.claim = {key.name_space, key.key, grant->fencing_token()};
  claims_.Add(hold.claim);
  WorkUnderLease(hold);
}

std::optional<v1::Grant> Caller::Acquire(const v1::AcquireLockRequest& request) {
  const Milliseconds wait(request.wait_timeout().seconds() * 1000 +
                          request.wait_timeout().nanos() / 1'000'000);
  for (int tries = 0; tries < 8; ++tries) {
    const bool hasty = Chance(10);
    const auto answer =
        service_.Call(request, hasty ? Milliseconds(Between(1, 200)) : wait + kPatience);
    if (answer.ok()) {
      if (!answer.response.has_grant()) return std::nullopt;
      // Once more, as after a lost answer.
      if (Chance(8)) (void)service_.Call(request, kPatience);
      return answer.response.grant();
    }
    if (answer.refused()) return std::nullopt;
    if (stop_ || Chance(10)) break;
    Pause(Between(10, 120));
  }
  if (Chance(70)) GiveUp(request);
  return std::nullopt;
}

std::optional<v1::Grant> Caller::AcquireTwice(const v1::AcquireLockRequest& request) {
  v1::AcquireLockRequest copy = request;
  if (Chance(15)) copy.set_holder_id(request.holder_id() + "-twin");
  auto first = std::async(std::launch::async, [this, request] {
    return service_.Call(request, kPatience + Milliseconds(3000));
  });
  Pause(Between(0, 60));
  const auto second = service_.Call(copy, kPatience + Milliseconds(3000));
  const auto one = first.get();
  for (const auto* answer : {&one, &second}) {
    if (answer->ok() && answer->response.has_grant()) return answer->response.grant();
  }
  GiveUp(request);
  return std::nullopt;
}

void Caller::GiveUp(const v1::AcquireLockRequest& request) {
  v1::ReleaseRequest release;
  release.set_namespace_(request.namespace_());
  release.set_key(request.key());
  release.set_attempt_id(request.attempt_id());
  Repeat(release, 5);
  if (Chance(20)) (void)service_.Call(request, kPatience);  // a late duplicate
}

void Caller::WorkUnderLease(Hold& hold) {
  for (std::uint64_t steps = Draw(4); steps > 0; --steps) {
    Pause(Between(0, hold.lease_ms / 3));
    Renew(hold.claim, hold.lease_ms);
  }
  Pause(Between(0, 40));
  End(hold);
}

void Caller::Renew(const Claim& claim, std::int64_t lease_ms) {
  auto request = About<v1::RenewLeaseRequest>(claim);
  request.set_fencing_token(claim.fencing_token);
  const std::uint64_t kind = Draw(5);
  if (kind == 1) Set(Between(100, 4 * lease_ms), request.mutable_lease_duration());
  if (kind == 2) request.set_effect_started(true);
  if (kind >= 3) request.set_checkpoint("checkpoint " + NextId());
  Repeat(request, 2);
}

void Caller::End(const Hold& hold) {
  const std::uint64_t choice = Draw(100);
  if (choice < (hold.key.is_mutex ? 0 : 22)) return Record(hold.claim);
  if (choice < 60) return Release(hold.claim, static_cast<int>(Draw(4)));
  if (choice < 85) return Lapse(hold);
  // Otherwise it is not heard of again.
}

void Caller::Lapse(const Hold& hold) {
  Pause(hold.lease_ms + Between(-20, 250));
  switch (Draw(5)) {
    case 0:
      return Renew(hold.claim, hold.lease_ms);
    case 1:
      return hold.key.is_mutex ? Release(hold.claim, 0) : Record(hold.claim);
    case 2:
      return Release(hold.claim, static_cast<int>(Draw(4)));
    case 3:
      (void)service_.Call(hold.request, kPatience);  // the same attempt again
      return;
    default:
      return;
  }
}

void Caller::Record(const Claim& claim) {
  auto request = About<v1::RecordResultRequest>(claim);
  request.set_fencing_token(claim.fencing_token);
  request.set_outcome(Chance(80) ? v1::Result::SUCCEEDED : v1::Result::REJECTED);
  request.set_code("code " + std::to_string(Draw(3)));
  request.set_provider_reference("reference-" + NextId());
  request.set_content_type("text/plain");
  request.set_payload(std::string(Chance(5) ? 20'000 : Draw(200), 'p'));
  Repeat(request, 30);
  if (Chance(25)) Repeat(request, 3);
  if (Chance(15)) {
    request.set_provider_reference("reference-" + NextId());
    Repeat(request, 3);
  }
}

void Caller::Release(const Claim& claim, int effect) {
  auto request = About<v1::ReleaseRequest>(claim);
  request.set_fencing_token(claim.fencing_token);
  request.set_effect(static_cast<v1::ReleaseRequest::Effect>(effect));
  Repeat(request, 6);
}

template <class Request>
bool Caller::Repeat(const Request& request, int times) {
  for (; times > 0; --times) {
    const auto answer = service_.Call(request, kPatience);
    if (answer.ok() || answer.refused()) return true;
    if (stop_) return false;
    Pause(Between(20, 150));
  }
  return false;
}

void Caller::WorkOnIssuedKey() {
  const auto issued = service_.Call(v1::IssueKeyRequest(), kPatience);
  if (issued.ok()) Work({"", issued.response.key(), "work-of-" + issued.response.key(), false});
}

// Asks to wait for long, goes away soon, and is not heard of again.
void Caller::Abandon() {
  auto request = MakeAcquire(PickKey());
  Set(Between(5000, 10'000), request.mutable_wait_timeout());
  (void)service_.Call(request, Milliseconds(Between(50, 300)));
}

void Caller::WorkTooLate() {
  Key key;
  key.key = "late-" + NextId();
  auto request = MakeAcquire(key);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto then =
      std::chrono::duration_cast<std::chrono::seconds>(now) - std::chrono::hours(2400);
  request.mutable_first_sent_at()->set_seconds(then.count());
  Repeat(request, 3);
}

void Caller::Check() {
  const Key key = PickKey();
  v1::CheckResultRequest request;
  request.set_namespace_(key.name_space);
  request.set_key(key.key);
  if (Chance(50)) request.set_fingerprint(Chance(10) ? "something else" : key.fingerprint);
  if (Chance(30)) Set(Between(100, 1500), request.mutable_wait_timeout());
  Repeat(request, 2);
}

void Caller::UseOldToken() {
  const auto claim = claims_.Any(random_);
  if (!claim.has_value()) return;
  switch (Draw(4)) {
    case 0:
      return Release(*claim, static_cast<int>(Draw(4)));
    case 1:
      if (!claim->key.starts_with("mutex")) return Record(*claim);
      [[fallthrough]];
    default:
      return Renew(*claim, 200);
  }
}

// A page of records, and now and then one of those in doubt is settled.
void Caller::LookAtList(const Key& key) {
  v1::ListRecordsRequest list;
  list.set_page_size(20);
  if (Chance(40)) {
    list.set_key_prefix(key.key.substr(0, key.key.rfind('-')));
    Repeat(list, 2);
    return;
  }
  list.set_state(v1::CheckResultResponse::IN_DOUBT);
  const auto page = service_.Call(list, kPatience);
  if (!page.ok() || page.response.records().empty()) return;
  const int place =
      static_cast<int>(Draw(static_cast<std::uint64_t>(page.response.records_size())));
  const v1::Record& record = page.response.records(place);
  Settle({record.namespace_(), record.key(), record.fencing_token()});
}

void Caller::Settle(const Claim& claim) {
  auto resolve = ByOperator<v1::ResolveOutcomeRequest>(claim);
  resolve.set_outcome(static_cast<v1::ResolveOutcomeRequest::Outcome>(Between(1, 3)));
  resolve.set_provider_reference("found-" + NextId());
  Repeat(resolve, 3);
}

void Caller::Administrate() {
  const Key key = PickKey();
  if (Chance(15)) return LookAtList(key);
  Claim claim{key.name_space, key.key, 0};
  const auto answer = service_.Call(About<v1::GetRecordRequest>(claim), kPatience);
  if (!answer.ok()) return;
  const v1::Record& record = answer.response.record();
  claim.fencing_token = record.fencing_token();
  if (record.state() == v1::CheckResultResponse::IN_DOUBT && Chance(70)) {
    Settle(claim);
  } else if (record.state() == v1::CheckResultResponse::HELD && Chance(20)) {
    Repeat(ByOperator<v1::ForceReleaseRequest>(claim), 3);
  } else if (record.state() == v1::CheckResultResponse::COMPLETED && Chance(20)) {
    Repeat(ByOperator<v1::DeleteRecordRequest>(claim), 3);
  }
}

}  // namespace latchkey::crash
