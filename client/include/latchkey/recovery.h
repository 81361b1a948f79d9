// What to do after an attempt whose outcome is not known, for the three kinds of providers there
// are. Each helper makes a function for RunOnce; docs/recovery.md has the arithmetic.
//
//   latchkey::RunResult run;
//   const latchkey::Work send = latchkey::SendWithin(10s, charge);
//   // It deduplicates by key:
//   run = client.RunOnce(key, options, send, latchkey::ResendSameKey(10s, charge));
//   // It can be asked:
//   run = client.RunOnce(key, options, send, latchkey::AskProvider(2min, find));
//   // Neither:
//   run = client.RunOnce(key, options, send, latchkey::LeaveInDoubt());
//
// `charge` sends one request, with Attempt::downstream_idempotency_key(), and waits for the answer
// for no longer than it said it would: Succeeded, Rejected, Unknown where no answer came, and
// NotExecuted only where the request certainly never left.
#pragma once

#include <chrono>
#include <functional>
#include <optional>

#include "latchkey/client.h"

namespace latchkey::inline client {

// Asks the provider what became of the request that was sent with the attempt's
// downstream_idempotency_key(). Succeeded or Rejected where it tells, Unknown where it does not
// answer or has not decided yet. Empty where it answers that it knows of no such request. Where it
// knows the request, and that nothing will come of it: NotExecuted().AfterAsking().
using Ask = std::function<std::optional<Outcome>(Attempt&)>;

// For `create`: sends only while the lease covers a call that takes `timeout`; else NotExecuted.
// So a request leaves `timeout` before the lease ends, unless its process is stopped between the
// two. Where it is the only work, RunOnce also sends again with it (RESEND_SAME_KEY): in mode
// RECOVER the provider's window must cover the call, too; else nothing is sent, and Unknown.
[[nodiscard]] Work SendWithin(std::chrono::nanoseconds timeout, Work send);

// For `recover`, where the provider deduplicates: sends the same request again, with the same
// key, while both the lease and the provider's window (Attempt::downstream_key_remaining) cover a
// call that takes `timeout`. When the window is over, `afterwards` decides: LeaveInDoubt where it
// is not given; AskProvider where the provider can be asked, too.
[[nodiscard]] Work ResendSameKey(std::chrono::nanoseconds timeout, Work send,
                                 Work afterwards = nullptr);

// For `recover`, where the provider can be asked, and `create` is the only one that sends. What it
// tells is the outcome. That it knows nothing counts as NotExecuted().AfterAsking() only when it
// was asked after the doubt was older than `quarantine`: the longest time for which a request may
// act after its lease ended. Asked before that, it is asked once more when the time has come: until
// then this waits, keeping the lock, because every recovery that ends in doubt begins the time
// anew. AcquireOptions::stop ends the waiting, and so does the loss of the lease: Unknown then.
[[nodiscard]] Work AskProvider(std::chrono::nanoseconds quarantine, Ask ask);

// For `recover`, where the provider can do neither: nothing is sent, and the key stays in doubt
// until a person ends it (AdminService.ResolveOutcome).
[[nodiscard]] Work LeaveInDoubt();

// What the late outcomes of earlier claimants prove; each helper for `recover` looks at them first.
// Succeeded where one was reported, even by an earlier run: its effect has happened, under the same
// downstream key. Unknown where successes differ in reference or code: that is for a person. Empty
// where there is none. A rejection proves nothing: it speaks for its own attempt, and who else sent
// cannot be counted, because reports of earlier runs are kept among these and not all are kept.
[[nodiscard]] std::optional<Outcome> OutcomeFromLateOutcomes(const Attempt& attempt);

}  // namespace latchkey::inline client
