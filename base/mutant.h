// Seeded bugs, so that it can be seen that the tests find them: `tools/prove --mutants`. Only a
// build with LATCHKEY_MUTANTS has them, and it has one of them at a time, the one that the
// environment variable LATCHKEY_MUTANT names. In any other build none of this leaves a trace.
#pragma once

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <string_view>

namespace latchkey {

// Each with what it does wrong.
#define LATCHKEY_MUTANT_LIST(MUTANT)                                                              \
  MUTANT(AttemptEndForgotten, "a duplicate that arrives after the Release is granted to nobody")  \
  MUTANT(CompletedOverwritten, "a completed record is overwritten by a late result")              \
  MUTANT(DoubtForgottenByRelease, "a Release in RECOVER that says nothing was done ends the run") \
  MUTANT(DoubtForgottenByLapse, "a lapse frees the key, whatever its holder may have done")       \
  MUTANT(ExpiryOnWallClock, "leases run out by the wall clock")                                   \
  MUTANT(FingerprintIgnored, "the fingerprint is not checked while the key is held")              \
  MUTANT(FreshDownstreamKey, "each attempt gets another downstream key")                          \
  MUTANT(GrantToCancelled, "a waiter whose caller is gone is granted the key")                    \
  MUTANT(HeartbeatRevives, "a heartbeat says that a lost lease was renewed")                      \
  MUTANT(LeaseSinceReply, "the client counts the lease from the reply, not from its request")     \
  MUTANT(LifoQueue, "who waits last is served first")                                             \
  MUTANT(LongerRenewalNotStored, "a longer renewal is not stored, and a restart shortens it")     \
  MUTANT(LostWakeUp, "a key that becomes free is not handed to whoever waits")                    \
  MUTANT(RecoverAsExecute, "a key in doubt is granted to be run again")                           \
  MUTANT(ReleaseWithoutToken, "a Release with an older token releases")                           \
  MUTANT(RenewalRevives, "a renewal revives a lease that has run out")                            \
  MUTANT(ReplayGrantsTwice, "a repeated AcquireLock is a second grant")                           \
  MUTANT(ReplyBeforeSync, "replies do not wait until the commit is synced")                       \
  MUTANT(RestartEndsLeases, "a restart does not give leases their duration again")                \
  MUTANT(RetentionOffByOne, "a record is forgotten a moment early")                               \
  MUTANT(StaleResultAccepted, "a result with an older token is accepted")                         \
  MUTANT(StallEndsLeases, "leases that nobody could renew during a stall run out")                \
  MUTANT(SyncErrorIgnored, "a failed write is taken for a good one")                              \
  MUTANT(TokenBlockReused, "after a crash tokens are issued again")                               \
  MUTANT(UnsentGrantKept, "a grant that nobody was told of is not taken back")

enum class Mutant {
#define LATCHKEY_MUTANT_NAME(name, what) k##name,
  LATCHKEY_MUTANT_LIST(LATCHKEY_MUTANT_NAME)
#undef LATCHKEY_MUTANT_NAME
};

#ifdef LATCHKEY_MUTANTS

// By the value of Mutant.
inline constexpr std::string_view kMutantNames[] = {
#define LATCHKEY_MUTANT_NAME(name, what) #name,
    LATCHKEY_MUTANT_LIST(LATCHKEY_MUTANT_NAME)
#undef LATCHKEY_MUTANT_NAME
};

// The place in kMutantNames of the one that was chosen; none: beyond them.
inline std::size_t ChosenMutant() {
  const char* const chosen = std::getenv("LATCHKEY_MUTANT");
  if (chosen == nullptr || *chosen == '\0') return std::size(kMutantNames);
  for (std::size_t i = 0; i < std::size(kMutantNames); ++i) {
    if (kMutantNames[i] == chosen) return i;
  }
  std::fprintf(stderr, "LATCHKEY_MUTANT: there is no mutant %s\n", chosen);
  std::exit(2);
}

// Any thread.
inline bool Mutated(Mutant mutant) {
  static const std::size_t chosen = ChosenMutant();
  return chosen == static_cast<std::size_t>(mutant);
}

#else

constexpr bool Mutated(Mutant) { return false; }

#endif

}  // namespace latchkey
