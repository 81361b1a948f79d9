#include "server/partition/wait_queue.h"

#include <iterator>

#include "latchkey/v1/coordination.pb.h"

namespace latchkey {
namespace {

const v1::AcquireLockRequest* AcquireOf(const Call& call) {
  const auto* exchange = std::get_if<AcquireLockExchange>(&call.operation);
  return exchange == nullptr ? nullptr : exchange->request;
}

const std::string& FingerprintOf(const Call& call) {
  if (const auto* acquire = AcquireOf(call)) return acquire->fingerprint();
  return std::get<CheckResultExchange>(call.operation).request->fingerprint();
}

}  // namespace

void WaitQueue::Count(const Call& call, int by) {
  const std::string& fingerprint = FingerprintOf(call);
  if (fingerprint.empty()) return;
  const auto counted = fingerprints_.try_emplace(fingerprint, 0).first;
  counted->second += by;
  if (counted->second == 0) fingerprints_.erase(counted);
}

void WaitQueue::AddAcquire(Waiter waiter) {
  places_[waiter.call] = acquires_.insert(acquires_.end(), waiter);
  attempts_[AcquireOf(*waiter.call)->attempt_id()] = waiter.call;
  Count(*waiter.call, 1);
}

void WaitQueue::AddCheck(Waiter waiter) {
  places_[waiter.call] = checks_.insert(checks_.end(), waiter);
  Count(*waiter.call, 1);
}

const Call* WaitQueue::FindAttempt(std::string_view attempt_id) const {
  const auto found = attempts_.find(attempt_id);
  return found == attempts_.end() ? nullptr : found->second;
}

const Waiter* WaitQueue::FindAttempt(std::string_view attempt_id,
                                     std::string_view holder_id) const {
  const Call* call = FindAttempt(attempt_id);
  if (call == nullptr || AcquireOf(*call)->holder_id() != holder_id) return nullptr;
  return Find(call);
}

void WaitQueue::TakeOver(const Call* old, Waiter retry) {
  const Place place = places_.at(old);
  Count(*old, -1);
  attempts_.erase(AcquireOf(*old)->attempt_id());
  places_.erase(old);
  *place = retry;
  places_[retry.call] = place;
  attempts_[AcquireOf(*retry.call)->attempt_id()] = retry.call;
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
  const auto* acquire = AcquireOf(*call);
  if (acquire == nullptr) return checks_.erase(place);
  const auto attempt = attempts_.find(acquire->attempt_id());
  if (attempt != attempts_.end() && attempt->second == call) attempts_.erase(attempt);
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
