// Rule 17, and what a new process finds: the part of the naive model that begins after the end.

#include <algorithm>

#include "tests/machine/naive_model.h"

namespace latchkey::naive {

void Model::Restart(const Stored& committed, const World& world) {
  stored_ = committed;
  pending_ = false;
  // Whoever held it before a restore may have ended that since.
  deadline_ = world.monotonic + (stored_.token <= world.restored ? 0 : stored_.promised);
}

bool Model::MayBeForgotten(const AcquireCall& call, const World& world) const {
  return world.doubtful && !(call.first_sent_at && *call.first_sent_at > world.restored_at);
}

// An absent key, of which nobody knows whether somebody worked on it.
Answer Model::GoOnWithForgotten(const AcquireCall& call, const World& world) {
  const Stored before = stored_;
  if (!call.accept_recover) {
    Answer answer;
    answer.wait = call.wait > 0;
    answer.contention = Contention{"", true, world.waiters + 1, world.waiters};
    return answer;
  }
  Stored fresh;
  fresh.audit = stored_.audit;
  fresh.created = world.unknown_since;
  fresh.ttl = call.ttl.value_or(settings_.ttl);
  fresh.doubted = true;
  stored_ = fresh;
  AwaitForgottenLeases(world);
  GrantTo(call, false, world);
  return Finish(AnswerGrant(world, false), before);
}

// A lease that was granted after the backup may be the longest there is.
void Model::AwaitForgottenLeases(const World& world) {
  if (!world.doubtful || stored_.token > world.restored) return;
  stored_.doubt_since = std::max(stored_.doubt_since, world.retention + settings_.longest_lease);
}

}  // namespace latchkey::naive
