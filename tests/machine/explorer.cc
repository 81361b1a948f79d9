#include "tests/machine/explorer.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <unordered_set>
#include <utility>

#include "server/machine/invariants.h"
#include "tests/machine/explorer_world.h"

namespace latchkey::exhaustive {
namespace {

using State = v1::CheckResultResponse;
using OnLapse = v1::AcquireLockRequest;

struct Finding {
  std::string name;
  std::string sentence;
};

// What decides nothing would only multiply the states. The model test compares it.
void Normalize(std::optional<storage::v1::Record>* record) {
  if (!record->has_value()) return;
  if ((*record)->state() == State::ABSENT) {
    record->reset();
    return;
  }
  (*record)->clear_audit();
  (*record)->clear_late_outcomes();
  (*record)->clear_late_outcome_count();
  (*record)->clear_duplicate_effect_suspected();
  (*record)->clear_previous_holder_id();
  (*record)->clear_attempt_number();
  // The checks ask for a first grant only of a new run.
  (*record)->set_attempt_number((*record)->mode() == v1::Grant::EXECUTE ? 1 : 2);
}

void Append(const std::optional<storage::v1::Record>& record, std::string* out) {
  const std::string bytes = record ? record->SerializeAsString() : "";
  const auto size = static_cast<std::uint32_t>(bytes.size());
  out->append(reinterpret_cast<const char*>(&size), sizeof(size));
  out->append(bytes);
}

std::optional<storage::v1::Record> Take(const char** next) {
  std::uint32_t size = 0;
  std::memcpy(&size, *next, sizeof(size));
  *next += sizeof(size);
  if (size == 0) return std::nullopt;
  storage::v1::Record record;
  record.ParseFromArray(*next, static_cast<int>(size));
  *next += size;
  return record;
}

class Search {
 public:
  Search(Machine& machine, const Scope& scope) : machine_(machine), scope_(scope) {
    context_.now = {kNow, WallTime(std::chrono::hours(24 * 365 * 50)),
                    WallTime(std::chrono::hours(24 * 365 * 50))};
    context_.limits = &limits_;
    context_.settings = &settings_;
    context_.name_space = "default";
    context_.key = "k";
  }

  SearchReport Run();

 private:
  World Begin();
  struct Node {
    std::string world;
    std::size_t parent = 0;
    Move move;
    int depth = 0;
  };

  std::vector<Move> MovesFrom(const World& world) const;
  void AddTokenMoves(const World& world, std::uint64_t token, std::vector<Move>* moves) const;
  // Makes the move; the finding is what it breaks.
  std::optional<Finding> Make(const Move& move, World* world);
  std::optional<Finding> Decide(const Move& move, World* world);
  std::optional<Finding> CommitGrant(World* world);
  void Hear(const Move& move, const Step& step, std::optional<v1::Grant::Mode> mode, World* world);
  void GiveUp(const Move& move, const World& before, World* world);
  std::vector<std::string> TraceTo(std::size_t node, const Move& last) const;

  Machine& machine_;
  Scope scope_;
  Limits limits_;
  NamespaceSettings settings_;
  Context context_;
  std::vector<Node> nodes_;
};

// Calls that carry this token. One of each kind is enough for a token that is not the newest: it
// must change nothing.
void Search::AddTokenMoves(const World& world, std::uint64_t token,
                           std::vector<Move>* moves) const {
  const bool newest = world.key.record && world.key.record->fencing_token() == token;
  const bool execute = world.key.record && world.key.record->mode() == v1::Grant::EXECUTE;
  const Holder holder = token <= world.highest ? world.holders[token] : Holder::kNothing;
  const auto add = [&](Action action) { moves->push_back({action, 0, OnLapse::IN_DOUBT, token}); };
  const bool nobody_acted = world.effects == 0;
  for (Action action : {Action::kRenew, Action::kSucceed, Action::kReleaseUnknown, Action::kUndo,
                        Action::kForceRelease, Action::kResolveSucceeded, Action::kDelete}) {
    // What was acted on is not taken back: its reply was not lost.
    if (action == Action::kUndo && holder == Holder::kActed) continue;
    add(action);
  }
  if (nobody_acted) add(Action::kReleaseRunNotExecuted);
  if (holder != Holder::kActed) add(Action::kReleaseNotExecuted);
  if (!newest) return;
  for (Action action : {Action::kRenewLonger, Action::kMark, Action::kReject}) {
    add(action);
  }
  if (nobody_acted) add(Action::kResolveNotExecuted);
  if (!execute || holder != Holder::kActed) add(Action::kReleaseUnset);
}

std::vector<Move> Search::MovesFrom(const World& world) const {
  std::vector<Move> moves;
  moves.push_back({Action::kCrash});
  moves.push_back({Action::kCheck});
  const Duration left = world.key.lease_deadline - kNow;
  if (world.state() == State::HELD && left > -kTick) moves.push_back({Action::kTick});
  if (world.state() == State::HELD && left <= Duration::zero()) moves.push_back({Action::kLapse});
  const bool may_grant = world.highest < static_cast<std::uint64_t>(scope_.tokens);
  for (int attempt = 0; attempt <= scope_.callers; ++attempt) {
    const bool free = world.state() != State::HELD && world.state() != State::COMPLETED;
    if (!free || may_grant) {
      for (auto on_lapse : {OnLapse::IN_DOUBT, OnLapse::FORGET, OnLapse::FORGET_UNLESS_STARTED}) {
        moves.push_back({Action::kAcquire, attempt, on_lapse});
        if (!free) break;  // it grants nothing, so on_lapse says nothing
      }
      moves.push_back({Action::kAcquireNoRecover, attempt});
    }
    // Sent by a caller that never got a token.
    const bool acted = world.state() == State::HELD &&
                       world.key.record->attempt_id() == AttemptId(attempt) &&
                       world.holders[world.key.record->fencing_token()] == Holder::kActed;
    if (!acted) moves.push_back({Action::kReleaseAttempt, attempt});
  }
  for (std::uint64_t token = 1; token <= world.highest + 1; ++token) {
    AddTokenMoves(world, token, &moves);
    if (token <= world.highest && world.holders[token] == Holder::kMayAct) {
      moves.push_back({Action::kAct, 0, OnLapse::IN_DOUBT, token});
    }
  }
  return moves;
}

std::optional<Finding> Search::Make(const Move& move, World* world) {
  switch (move.action) {
    case Action::kTick:
      world->key.lease_deadline -= kTick;
      world->belief = std::max(world->belief - kTick, Duration::zero());
      break;
    case Action::kCrash:
      world->key = KeyState();
      world->key.record = world->durable;
      if (world->state() == State::HELD) {
        const storage::v1::Record& record = *world->key.record;
        const bool over = record.fencing_token() <= context_.restore.fencing_token;
        world->key.lease_deadline =
            kNow + (over ? Duration::zero() : Duration(record.promised_lease_nanos()));
      }
      break;
    case Action::kAct:
      world->holders[move.token] = Holder::kActed;
      if (++world->effects > 1) return Finding{"I5", "the effect happened twice"};
      break;
    default:
      if (auto finding = Decide(move, world)) return finding;
  }
  if (world->belief == Duration::zero()) world->believer = 0;
  const bool holds =
      world->state() == State::HELD && world->key.record->fencing_token() == world->believer;
  if (world->believer != 0 && !holds) {
    return Finding{"L5", "a caller that believes to hold the key does not"};
  }
  return std::nullopt;
}

std::optional<Finding> Search::Decide(const Move& move, World* world) {
  const World before = *world;
  const std::string attempt_id = AttemptId(move.attempt);
  Context context = context_;
  context.highest_token = world->highest;
  // attempt_ended stays false: it is remembered for a while only, so a duplicate may always be
  // granted.
  std::optional<v1::Grant::Mode> mode;
  const Step step = machine_.Apply(world->key, move, context, &mode);
  if (scope_.check_invariants) {
    const auto broken =
        Invariants::Check(before.key, world->key, step, context, Summarize(move, attempt_id));
    if (broken) return Finding{std::string(broken->name), std::string(broken->sentence)};
  }
  if (step.granted) {
    if (auto finding = CommitGrant(world)) return finding;
  }
  if (step.durable) world->durable = world->key.record;
  GiveUp(move, before, world);
  Hear(move, step, mode, world);
  Normalize(&world->key.record);
  Normalize(&world->durable);
  return std::nullopt;
}

std::optional<Finding> Search::CommitGrant(World* world) {
  const KeyState pending = world->key;
  Context context = context_;
  context.highest_token = world->highest++;
  world->key.record->set_fencing_token(world->highest);
  world->key.token_pending = false;
  CommandSummary what;
  what.kind = CommandSummary::Kind::kCommit;
  if (!scope_.check_invariants) return std::nullopt;
  const auto broken = Invariants::Check(pending, world->key, Step(), context, what);
  if (broken) return Finding{std::string(broken->name), std::string(broken->sentence)};
  return std::nullopt;
}

// What callers know and do once the answer has reached them.
void Search::Hear(const Move& move, const Step& step, std::optional<v1::Grant::Mode> mode,
                  World* world) {
  const bool renews = move.action >= Action::kRenew && move.action <= Action::kMark;
  if (step.refusal || world->state() != State::HELD) return;
  const std::uint64_t token = world->key.record->fencing_token();
  Holder& holder = world->holders[token];
  const bool told = mode && !world->dead[static_cast<std::size_t>(move.attempt)];
  if (told && *mode == v1::Grant::EXECUTE && holder == Holder::kNothing) {
    const bool always = world->key.record->on_lapse() == OnLapse::IN_DOUBT;
    holder = always ? Holder::kMayAct : Holder::kMustMark;
  }
  if (move.action == Action::kMark && holder == Holder::kMustMark) holder = Holder::kMayAct;
  if ((told || renews) && step.lease_deadline) {
    world->believer = token;
    world->belief = std::max(world->belief, *step.lease_deadline - kNow);
  }
}

// Who gives a grant back, reports on it, or is said to have done nothing does not act on it any
// more.
void Search::GiveUp(const Move& move, const World& before, World* world) {
  const auto stop = [&](std::uint64_t token) {
    if (token == 0 || token > before.highest) return;
    if (world->holders[token] != Holder::kActed) world->holders[token] = Holder::kNothing;
    if (world->believer == token) world->believer = 0, world->belief = Duration::zero();
  };
  const std::uint64_t newest = before.key.record ? before.key.record->fencing_token() : 0;
  switch (move.action) {
    case Action::kSucceed:
    case Action::kReject:
    case Action::kReleaseUnset:
    case Action::kReleaseNotExecuted:
    case Action::kReleaseUnknown:
    case Action::kUndo:
      stop(move.token);
      break;
    case Action::kReleaseAttempt:
      world->dead[static_cast<std::size_t>(move.attempt)] = true;
      if (before.key.record && before.key.record->attempt_id() == AttemptId(move.attempt)) {
        stop(newest);
      }
      break;
    case Action::kReleaseRunNotExecuted:
    case Action::kResolveNotExecuted:
      stop(move.token);
      if (move.token != newest) break;
      for (std::uint64_t token = 1; token <= before.highest; ++token) stop(token);
      break;
    case Action::kDelete:  // the operator has seen to it that a second effect is wanted
      if (before.state() != State::COMPLETED || world->state() != State::ABSENT) break;
      world->effects = 0;
      world->holders.fill(Holder::kNothing);
      break;
    case Action::kForceRelease:  // the one exception to L5
      if (move.token == world->believer) world->believer = 0, world->belief = Duration::zero();
      break;
    default:
      break;
  }
}

std::vector<std::string> Search::TraceTo(std::size_t node, const Move& last) const {
  std::vector<std::string> trace = {Print(last)};
  for (; node != 0; node = nodes_[node].parent) trace.push_back(Print(nodes_[node].move));
  std::ranges::reverse(trace);
  return trace;
}

World Search::Begin() {
  World world;
  if (scope_.beginning == Beginning::kNew) return world;
  if (scope_.beginning == Beginning::kRestoredGrant) {
    (void)Make({Action::kAcquire, 0, OnLapse::FORGET_UNLESS_STARTED}, &world);
    world.key.lease_deadline = kNow;
    world.holders[1] = Holder::kActed;
    world.believer = 0, world.belief = Duration::zero();
    context_.restore.fencing_token = world.highest;
  }
  context_.restore.in_doubt = true;
  context_.restore.at = context_.restore.unknown_since = context_.now.latest;
  world.effects = 1;
  // The partition sees to that before it decides any call.
  if (world.state() == State::HELD) (void)Make({Action::kLapse}, &world);
  return world;
}

SearchReport Search::Run() {
  SearchReport report;
  const auto start = std::chrono::steady_clock::now();
  std::unordered_set<std::size_t> seen;
  const std::hash<std::string> hash;
  nodes_.push_back({Begin().Encode(), 0, {}, 0});
  seen.insert(hash(nodes_[0].world));
  report.complete = true;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const bool cut_short = nodes_.size() >= scope_.bounds.states ||
                           std::chrono::steady_clock::now() - start > scope_.bounds.time;
    if (cut_short || nodes_[i].depth >= scope_.bounds.depth) {
      report.complete = false;
      break;
    }
    const World world = World::Decode(nodes_[i].world);
    nodes_[i].world.clear();
    nodes_[i].world.shrink_to_fit();
    const int depth = nodes_[i].depth;
    report.depth = depth;  // all before this one were tried from
    for (const Move& move : MovesFrom(world)) {
      World next = world;
      ++report.transitions;
      if (const auto finding = Make(move, &next)) {
        report.violation = finding->name;
        report.sentence = finding->sentence;
        report.trace = TraceTo(i, move);
        report.states = nodes_.size();
        return report;
      }
      std::string encoded = next.Encode();
      if (seen.insert(hash(encoded)).second)
        nodes_.push_back({std::move(encoded), i, move, depth + 1});
    }
  }
  report.states = nodes_.size();
  return report;
}

}  // namespace

std::string World::Encode() const {
  std::string out;
  Append(key.record, &out);
  Append(durable, &out);
  const auto ticks = [](Duration duration) { return static_cast<char>(duration / kTick); };
  const bool held = state() == State::HELD;
  out.push_back(held ? ticks(key.lease_deadline - kNow) : '\0');
  out.push_back(static_cast<char>(highest));
  out.push_back(static_cast<char>(believer));
  out.push_back(ticks(belief));
  out.push_back(static_cast<char>(effects));
  for (Holder holder : holders) out.push_back(static_cast<char>(holder));
  for (bool bit : dead) out.push_back(bit ? '1' : '0');
  return out;
}

World World::Decode(const std::string& bytes) {
  World world;
  const char* next = bytes.data();
  world.key.record = Take(&next);
  world.durable = Take(&next);
  world.key.lease_deadline = kNow + kTick * *next++;
  world.highest = static_cast<unsigned char>(*next++);
  world.believer = static_cast<unsigned char>(*next++);
  world.belief = kTick * *next++;
  world.effects = static_cast<unsigned char>(*next++);
  for (Holder& holder : world.holders) holder = static_cast<Holder>(*next++);
  for (bool& bit : world.dead) bit = *next++ == '1';
  return world;
}

v1::CheckResultResponse::State World::state() const {
  return key.record ? key.record->state() : State::ABSENT;
}

SearchReport Explore(Machine& machine, const Scope& scope) { return Search(machine, scope).Run(); }

}  // namespace latchkey::exhaustive
