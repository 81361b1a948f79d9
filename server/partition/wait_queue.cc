#include "server/partition/wait_queue.h"

#include <iterator>

#include "base/mutant.h"
#include "latchkey/v1/coordination.pb.h"
#include "server/machine/proto_time.h"

namespace latchkey {
namespace {

const v1::AcquireLockRequest* AcquireOf(const Call& call) {
  const auto* exchange = std::get_if<AcquireLockExchange>(&call.operation);
  return exchange == nullptr ? nullptr : exchange->request;
}

std::pair<std::string_view, std::string_view> AttemptOf(const Call& call) {
  const auto& request = *AcquireOf(call);
  return {request.attempt_id(), request.holder_id()};
}

const std::string& FingerprintOf(const Call& call) {
  if (const auto* acquire = AcquireOf(call)) return acquire->fingerprint();
  return std::get<CheckResultExchange>(call.operation).request->fingerprint();
}

}  // namespace

MonotonicTime WaitDeadlineOf(const Call& call) {
  Duration timeout = Duration::zero();
  if (const auto* acquire = AcquireOf(call)) {
    timeout = FromProto(acquire->wait_timeout()).value_or(timeout);
  } else if (const auto* check = std::get_if<CheckResultExchange>(&call.operation)) {
    timeout = FromProto(check->request->wait_timeout()).value_or(timeout);
  }
  return call.arrived + timeout;
}

void WaitQueue::Count(const Call& call, int by) {
  const std::string& fingerprint = FingerprintOf(call);
  if (fingerprint.empty()) return;
  const auto counted = fingerprints_.try_emplace(fingerprint, 0).first;
  counted->second += by;
  if (counted->second == 0) fingerprints_.erase(counted);
}

void WaitQueue::AddAcquire(Waiter waiter) {
  const auto place = Mutated(Mutant::kLifoQueue) ? acquires_.begin() : acquires_.end();
  places_[waiter.call] = acquires_.insert(place, waiter);
  attempts_[AttemptOf(*waiter.call)] = waiter.call;
  Count(*waiter.call, 1);
}

void WaitQueue::AddCheck(Waiter waiter) {
  places_[waiter.call] = checks_.insert(checks_.end(), waiter);
  Count(*waiter.call, 1);
}

const Call* WaitQueue::FindAttempt(std::string_view attempt_id) const {
  const auto found = attempts_.lower_bound({attempt_id, {}});
  return found == attempts_.end() || found->first.first != attempt_id ? nullptr : found->second;
}

const Waiter* WaitQueue::FindAttempt(std::string_view attempt_id,
                                     std::string_view holder_id) const {
  const auto found = attempts_.find({attempt_id, holder_id});
  return found == attempts_.end() ? nullptr : Find(found->second);
}

void WaitQueue::TakeOver(const Call* old, Waiter retry) {
  const Place place = places_.at(old);
  Count(*old, -1);
  attempts_.erase(AttemptOf(*old));
  places_.erase(old);
  *place = retry;
  places_[retry.call] = place;
  attempts_[AttemptOf(*retry.call)] = retry.call;
  Count(*retry.call, 1);
}

const Waiter* WaitQueue::Find(const Call* call) const {
  const auto found = places_.find(call);
  return found == places_.end() ? nullptr : &*found->second;
}

WaitQueue::Place WaitQueue::Remove(const Call* call) {
  const auto found = places_.find(call);
  const Place place = found->second;
  places_.erase(found);
  Count(*call, -1);
  if (AcquireOf(*call) == nullptr) return checks_.erase(place);
  attempts_.erase(AttemptOf(*call));
  return acquires_.erase(place);
}

std::size_t WaitQueue::PositionOf(const Call* call) const {
  std::size_t position = 1;
  for (const Waiter& waiter : acquires_) {
    if (waiter.call == call) return position;
    ++position;
  }
  return 0;
}

bool WaitQueue::HasOtherFingerprint(const std::string& fingerprint) const {
  return fingerprints_.size() > (fingerprints_.contains(fingerprint) ? 1 : 0);
}

}  // namespace latchkey
