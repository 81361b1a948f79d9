// A heartbeat: many leases renewed by one message, each by a call of its own to its partition, and
// answered together.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "server/calls/session.h"

namespace latchkey {

// Owned by its calls.
class SessionHeartbeat : public std::enable_shared_from_this<SessionHeartbeat> {
 public:
  // `frame` has a heartbeat.
  SessionHeartbeat(const CallEnvironment& environment, std::shared_ptr<Session> session,
                   std::shared_ptr<SessionFrame> frame, MonotonicTime arrived);

  std::size_t size() const { return static_cast<std::size_t>(heartbeat_.leases_size()); }
  // The call that renews one of the leases; each is to be made once. `refusal`: what is wrong with
  // it, or that the caller may not.
  std::unique_ptr<Call> MakeCall(std::size_t place, Caller& caller,
                                 std::optional<Refusal>* refusal);
  // Answers a heartbeat that names none.
  void AnswerNothing() { Answer(); }

 private:
  class LeaseCall;
  void Set(std::size_t place, const std::optional<Refusal>& refusal,
           const v1::RenewLeaseResponse& renewed);
  void Answer();

  const CallEnvironment& environment_;
  const std::shared_ptr<Session> session_;
  const std::shared_ptr<SessionFrame> frame_;
  const v1::Heartbeat& heartbeat_;
  const MonotonicTime arrived_;
  std::atomic<std::size_t> unanswered_;
  // For each lease: until when it holds, counted from `arrived_`, or why it is lost.
  struct State {
    Duration holds_for = Duration::zero();
    Reason lost = v1::Refusal::REASON_UNSPECIFIED;
  };
  std::vector<State> states_;
};

}  // namespace latchkey
