// What the checker has seen of calls, tokens and keys.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/time.h"
#include "latchkey/v1/coordination.pb.h"
#include "tools/simulation/boundary.h"

namespace latchkey::simulation {

struct SeenCall {
  enum class End {
    kOpen,  // or never answered: it may have acted, or may yet
    kAnswered,
    kRefused,  // it has changed nothing that others could see, but see late outcomes
  };

  bool MayHaveActed() const { return end != End::kRefused; }

  std::uint64_t number = 0;
  Request request;
  std::string key;
  Duration arrived = Duration::zero();
  std::uint64_t life = 0;
  // The highest token that anybody had been told of when it arrived.
  std::uint64_t highest_then = 0;
  End end = End::kOpen;
  // AcquireLock: when it came, among all events; as whoever overtakes, that of the call it repeats.
  std::uint64_t place = 0;
  std::uint64_t first_place = 0;
  std::optional<std::uint64_t> gone;
  // Nothing can reach its caller since then.
  std::optional<Duration> cut_off;
};

// A token that somebody was told of, or used.
struct SeenToken {
  std::uint64_t number = 0;
  // Its grant was seen, and not only repetitions of it: then these are known.
  bool granted = false;
  bool starts_anew = false;  // after a result that was deleted or forgotten
  v1::Grant::Mode mode = v1::Grant::MODE_UNSPECIFIED;
  v1::AcquireLockRequest::OnLapse on_lapse = v1::AcquireLockRequest::ON_LAPSE_UNSPECIFIED;
  std::string attempt;
  std::string holder;
  Duration lease = Duration::zero();
  // The longest that was promised under it, by the server's clock.
  Duration promised = Duration::zero();
  Duration begun = Duration::zero();
  std::shared_ptr<SeenCall> call;
  // Somebody was told of it then, in that life.
  Duration told = Duration::max();
  std::uint64_t life = 0;
  // Its lease lasts until then at least, unless a call ends it.
  Duration live_until = Duration::zero();
  bool marked = false;
  // The server stood still since it was last renewed.
  bool stalled = false;
  // An answer has said that its lease is over.
  std::optional<Duration> dead_since;
  std::string dead_by;
};

struct SeenKey {
  std::map<std::uint64_t, SeenToken> tokens;
  // Calls that may end a lease, a doubt or a run.
  std::vector<std::shared_ptr<SeenCall>> enders;
  // Of this life.
  std::vector<std::shared_ptr<SeenCall>> acquires;
  std::vector<std::shared_ptr<SeenCall>> checkpoints;
  std::set<std::string> fingerprints;
  // The one of the run at hand, and when somebody was told of the grant that brought it.
  std::string run_fingerprint;
  Duration run_fingerprint_told = Duration::max();
  struct Completion {
    v1::Result result;
    Duration told = Duration::zero();
    std::uint64_t life = 0;
  };
  std::optional<Completion> completion;
  // Refused because their token was superseded.
  std::vector<v1::RecordResultRequest> stale_reports;
  // Results that were sent and, as far as anybody knows, not taken: these, those that conflict with
  // the stored one, and those that were not answered.
  int reports_not_taken = 0;
  // The grant on the disk; 0: it is not held.
  std::uint64_t written_token = 0;
  std::string written_attempt;
  Duration written_at = Duration::zero();
  std::uint64_t written_life = 0;
  // Tokens that calls have carried.
  std::set<std::uint64_t> carried;
  // Attempts that a Release has ended, and when somebody was told so; of this life.
  std::map<std::string, Duration> ended_attempts;
  std::string downstream_key;

  // The newest that was granted; null: none.
  const SeenToken* Newest() const;
  const SeenToken* Before(std::uint64_t number) const;
  // Whether a call that arrived by then may have ended the lease of the token.
  bool MayBeEnded(const SeenToken& token, Duration by) const;
  // Whether one may have recorded a result of its run, or settled its doubt with one.
  bool MayBeCompleted(const SeenToken& token, Duration by) const;
  // Whether the run that the token belongs to may be over by then, without a result.
  bool MayBeSettled(const SeenToken& token, Duration by) const;
  bool MayBeDeleted(Duration since, Duration by) const;
  // A result is known that this token's run, or a later one, has come to.
  bool CompletedSince(std::uint64_t token) const {
    return completion.has_value() && completion->result.fencing_token() >= token;
  }
};

// Every request names its key in the same way.
std::string NameOf(const std::string& name_space, const std::string& key);

}  // namespace latchkey::simulation
