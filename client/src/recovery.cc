#include "latchkey/recovery.h"

#include <algorithm>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>

#include "base/mutex.h"

namespace latchkey::inline client {
namespace {

using std::chrono::nanoseconds;

// How often a wait looks at the clock of its attempt, which a test may set forward.
constexpr std::chrono::milliseconds kLook(100);

Outcome TooLittleLease() { return NotExecuted("too little of the lease is left for a request"); }

bool SameSuccess(const LateOutcome& a, const LateOutcome& b) {
  return a.code == b.code && a.provider_reference == b.provider_reference;
}

// Which of an earlier attempt's words count before anything is done.
Work EvidenceFirst(Work work) {
  return [work = std::move(work)](Attempt& attempt) {
    if (auto proven = OutcomeFromLateOutcomes(attempt)) return *std::move(proven);
    return work(attempt);
  };
}

// Wakes whoever waits for a doubt to grow old.
struct Alarm {
  Mutex mutex;
  Condition changed;
  bool rung GUARDED_BY(mutex) = false;

  void Ring() {
    MutexLock lock(mutex);
    rung = true;
    changed.NotifyAll();
  }
  bool WaitFor(nanoseconds time) {
    MutexLock lock(mutex);
    if (!rung) changed.WaitFor(mutex, time);
    return rung;
  }
};

// Returns when the doubt is older than `quarantine`; false where that cannot be waited for.
bool WaitOut(Attempt& attempt, nanoseconds quarantine) {
  const auto alarm = std::make_shared<Alarm>();
  attempt.OnLost([alarm](const std::string&) { alarm->Ring(); });
  const std::stop_callback stop(attempt.stop_token(), [alarm] { alarm->Ring(); });
  while (attempt.doubt_age() <= quarantine) {
    const nanoseconds left = std::min<nanoseconds>(quarantine - attempt.doubt_age(), kLook);
    if (alarm->WaitFor(left + nanoseconds(1))) return false;
  }
  return true;
}

}  // namespace

Work SendWithin(nanoseconds timeout, Work send) {
  return [timeout, send = std::move(send)](Attempt& attempt) {
    if (attempt.remaining() < timeout) return TooLittleLease();
    // RunOnce may call `create` in mode RECOVER; outside the window that would be a new request.
    if (attempt.mode() == Mode::kRecover && attempt.downstream_key_remaining() <= timeout) {
      return Unknown("too little is left of the time for which the provider deduplicates");
    }
    return send(attempt);
  };
}

Work ResendSameKey(nanoseconds timeout, Work send, Work afterwards) {
  if (!afterwards) afterwards = LeaveInDoubt();
  return EvidenceFirst([timeout, send = SendWithin(timeout, std::move(send)),
                        afterwards = std::move(afterwards)](Attempt& attempt) {
    return attempt.downstream_key_remaining() > timeout ? send(attempt) : afterwards(attempt);
  });
}

Work AskProvider(nanoseconds quarantine, Ask ask) {
  return EvidenceFirst([quarantine, ask = std::move(ask)](Attempt& attempt) {
    // Before it is asked: what it answers may be as old as that.
    const bool counts = attempt.doubt_age() > quarantine;
    std::optional<Outcome> told = ask(attempt);
    if (!told && !counts) {
      if (!WaitOut(attempt, quarantine)) {
        return Unknown("the provider knows nothing yet, and the quarantine is not over");
      }
      told = ask(attempt);
    }
    return told ? *std::move(told) : NotExecuted("the provider knows of no request").AfterAsking();
  });
}

Work LeaveInDoubt() {
  return EvidenceFirst([](Attempt&) {
    return Unknown("nobody can be asked what became of an earlier attempt; settle it by hand");
  });
}

std::optional<Outcome> OutcomeFromLateOutcomes(const Attempt& attempt) {
  const LateOutcome* success = nullptr;
  for (const LateOutcome& report : attempt.late_outcomes()) {
    if (report.outcome != StoredResult::Outcome::kSucceeded) continue;
    if (success && !SameSuccess(*success, report)) {
      return Unknown("earlier attempts contradict each other; see the record's late outcomes");
    }
    success = &report;
  }
  if (!success) return std::nullopt;
  return Succeeded({.code = success->code, .provider_reference = success->provider_reference});
}

}  // namespace latchkey::inline client
