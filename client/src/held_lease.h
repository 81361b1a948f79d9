// One grant from its first to its last moment: keeps the lease renewed, knows whether it may still
// be believed in, and ends it. Attempt and Lease are its public faces.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "connection.h"
#include "deliveries.h"
#include "latchkey/lease.h"

namespace latchkey::inline client::internal {

// Thread-safe. Owned by its Lease and by the work under way for it, which ends by itself. Every
// callback is called once, or destroyed when the connection is closed.
class HeldLease : public std::enable_shared_from_this<HeldLease> {
 public:
  // A lease just granted to a call with `options`; renewing begins.
  static std::shared_ptr<HeldLease> Start(std::shared_ptr<Connection> connection,
                                          std::shared_ptr<Deliveries> deliveries, KeyName name,
                                          AcquireOptions options, Grant grant);

  const KeyName& name() const { return name_; }
  const AcquireOptions& options() const { return options_; }
  const Grant& grant() const { return grant_; }

  // See Attempt for what these promise.
  LeaseState State();
  std::string StateReason();
  BootClock::time_point SafeUntil();
  std::chrono::nanoseconds Remaining();
  std::string Checkpoint();
  std::chrono::nanoseconds DownstreamKeyRemaining();
  RecoverAction Action();
  std::chrono::nanoseconds DoubtAge();
  void OnLost(Callback<std::string> callback);

  // What a renewal may carry besides.
  struct Renewal {
    std::optional<std::chrono::nanoseconds> lease_duration = {};
    bool effect_started = false;
    std::optional<std::string> checkpoint = {};
  };
  void Renew(Renewal renewal, Callback<Answer<std::chrono::nanoseconds>> callback);

  // See Lease for these.
  void Record(const Outcome& outcome, Callback<RecordAnswer> callback);
  void Release(Effect effect, Callback<Answer<KeyStatus>> callback);

  // The holder has gone, and wants to hear of no loss. Gives the lock back as Effect::kUnknown,
  // unless the lease is over; where a Record or Release is under way, only when that has failed.
  // Calls back after a second at most.
  void Drop(Callback<Answer<KeyStatus::State>> callback);

 private:
  HeldLease(std::shared_ptr<Connection> connection, std::shared_ptr<Deliveries> deliveries,
            KeyName name, AcquireOptions options, Grant grant);

  BootClock::time_point Now() const { return connection_->runtime()->Now(); }
  // Finds out whether safe_until_ has come, too.
  bool IsLost() REQUIRES(mutex_);
  // Two thirds of the lease are gone, and it should have been renewed after one.
  bool IsOverdue() REQUIRES(mutex_);
  // From here on LOST, for the first reason given. Ends the renewing, and tells who wants to know.
  void Lose(const std::string& reason) REQUIRES(mutex_);
  void End(const std::string& reason);
  void Extend(const Validity& validity) REQUIRES(mutex_);
  void BeginRenewing();
  void ScheduleRenewal(BootClock::time_point when) REQUIRES(mutex_);
  BootClock::time_point RenewalDue() REQUIRES(mutex_);
  // A random part of it.
  std::chrono::nanoseconds UpTo(std::chrono::nanoseconds longest);
  void RenewInBackground();
  void OnRenewed(const Answer<Validity>& answer);
  Answer<std::chrono::nanoseconds> OnAsked(const std::optional<std::string>& checkpoint,
                                           const Answer<Validity>& answer);
  void OnDelivered(Deliveries::Progress progress, const Callback<RecordAnswer>& callback);
  // The last answer to an outcome: the lease ends with it, or it is given up.
  void Conclude(const Answer<StoredResult>& answer);
  void OnReleased(const Answer<KeyStatus::State>& answer,
                  const Callback<Answer<KeyStatus>>& callback);
  // A Record or Release is under way; and has failed without ending the lease.
  void BeginEnding();
  void GiveUpEnding();
  // Once the holder has gone and nothing is left that may end the lease: the call that does, and it
  // is LOST.
  std::optional<ReleaseCall> Abandon();
  Error LostError() REQUIRES(mutex_);
  void Tell(std::vector<Callback<std::string>> callbacks) REQUIRES(mutex_);
  void Check(std::chrono::nanoseconds wait_timeout, Callback<Answer<KeyStatus>> callback);

  const std::shared_ptr<Connection> connection_;
  const std::shared_ptr<Deliveries> deliveries_;
  const KeyName name_;
  const AcquireOptions options_;
  const Grant grant_;
  const BootClock::time_point granted_at_;

  Mutex mutex_;
  // Never goes down.
  BootClock::time_point safe_until_ GUARDED_BY(mutex_);
  // Not empty: LOST.
  std::string lost_reason_ GUARDED_BY(mutex_);
  // Not empty: the last renewal failed, in these words.
  std::string trouble_ GUARDED_BY(mutex_);
  std::string checkpoint_ GUARDED_BY(mutex_);
  // Called when it is LOST.
  std::vector<Callback<std::string>> on_lost_ GUARDED_BY(mutex_);
  // How many Records and Releases are under way, those that nobody waits for any more included.
  int ending_ GUARDED_BY(mutex_) = 0;
  bool dropped_ GUARDED_BY(mutex_) = false;
  // Between failed renewals.
  Backoff backoff_ GUARDED_BY(mutex_);
  // The next renewal; 0 before the first.
  Runtime::TimerId timer_ GUARDED_BY(mutex_) = 0;
};

}  // namespace latchkey::inline client::internal
