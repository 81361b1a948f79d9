#include "tools/simulation/world.h"

#include <algorithm>
#include <utility>

#include "client/src/library_thread.h"
#include "server/machine/downstream_key.h"
#include "storage/store_key.h"
#include "tools/simulation/unary.h"

namespace latchkey::simulation {
namespace {

using std::chrono_literals::operator""h;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

// Of a millisecond: more than any that has work to do.
constexpr std::uint64_t kStepsInAMoment = 100'000;

class Bystander final : public Host {
 public:
  Bystander(Scheduler& scheduler, std::string name) : Host(scheduler, std::move(name)) {
    BeginLife();
  }
};

}  // namespace

ServerSettings World::SettingsOf(const Swarm& swarm) {
  ServerSettings settings;
  settings.partitions = static_cast<std::size_t>(swarm.partitions);
  settings.reply_budget_bytes = swarm.reply_budget_bytes;
  settings.limits.batch_calls = swarm.batch_calls;
  settings.limits.frame_bytes = swarm.frame_bytes;
  settings.limits.session_calls = swarm.session_calls;
  settings.limits.queued_calls = swarm.queued_calls;
  settings.limits.waiters_per_key = 6;
  NamespaceSettings arena;
  const Checker::Rules rules = RulesOf(swarm, "arena/");
  arena.payload_retention = rules.payload_retention;
  arena.key_retention = rules.key_retention;
  arena.live_records_max = 3;
  settings.limits.key_retention_slack = rules.slack;
  settings.namespaces = Namespaces({}, {{"arena", arena}});
  return settings;
}

Checker::Rules World::RulesOf(const Swarm& swarm, const std::string& key) {
  if (!swarm.short_retention || !key.starts_with("arena/")) return {};
  return {.payload_retention = 3s, .key_retention = 8s, .slack = 2s};
}

World::World(std::uint64_t seed, bool verbose)
    : seed_(seed),
      random_(seed),
      swarm_(Swarm::Draw(random_)),
      trace_(verbose),
      scheduler_(random_),
      settings_(SettingsOf(swarm_)) {
  server_ = std::make_unique<ServerHost>(scheduler_, random_, swarm_, trace_, settings_);
  checker_ = std::make_unique<Checker>(
      scheduler_, trace_, *server_, [this](const std::string& key) { return RulesOf(swarm_, key); },
      [this](const std::string& invariant, const std::string& what) {
        OnViolation(invariant, what);
      },
      [this](const std::string& key, std::uint64_t below) -> std::uint64_t {
        const std::string prefix = "default/";
        if (!key.starts_with(prefix)) return 0;
        for (const auto& payer : payers_) {
          if (const auto token = payer->Believes(key.substr(prefix.size()), below)) return token;
        }
        return 0;
      });
  network_ = std::make_unique<Network>(
      NetworkEnvironment{&scheduler_, &random_, &swarm_, &trace_, server_.get()});
  server_->Connect(*network_, *checker_, *checker_);
  const auto kind = random_.OneOf(
      {Provider::Kind::kDeduplicates, Provider::Kind::kCanBeAsked, Provider::Kind::kNeither});
  const Duration window = random_.OneOf<Duration>({5s, 24h});
  provider_ = std::make_unique<Provider>(
      *network_, kind, kind == Provider::Kind::kDeduplicates ? window : Duration::zero(),
      [this](const std::string& key) { OnViolation("I5", "charged twice: " + key); });
  prober_ = std::make_unique<Bystander>(scheduler_, "prober");
}

// In this order, so that nothing comes back to what is gone.
World::~World() {
  const internal::LibraryThread mark;
  for (const auto& payer : payers_) payer->EndProcess();
  scheduler_.Clear();
  // Its calls hold what is left of the clients.
  server_.reset();
  scheduler_.Clear();
}

void World::OnViolation(const std::string& invariant, const std::string& what) {
  if (violation_.empty()) violation_ = invariant + " " + what;
}

void World::OnSpent(const std::string& key, std::uint64_t fencing_token) {
  spent_.Add({key, fencing_token});
}

void World::StartHosts() {
  server_->Start();
  for (int i = 0; i < swarm_.payers; ++i) {
    PayerEvents& events = *this;
    payers_.push_back(
        std::make_unique<Payer>(*network_, *provider_, events, "payer-" + std::to_string(i)));
    payers_.back()->Start();
  }
  for (int i = 0; i < swarm_.raw_callers; ++i) {
    raw_callers_.push_back(
        std::make_unique<RawCaller>(*network_, claims_, spent_, "raw-" + std::to_string(i)));
    raw_callers_.back()->Start();
  }
}

void World::Again(Duration mean, std::function<void()> fault) {
  if (mean == Duration::zero()) return;
  scheduler_.After(random_.LogBetween(mean / 4, mean * 4), [this, mean, fault = std::move(fault)] {
    if (healed_) return;
    fault();
    Again(mean, fault);
  });
}

void World::StartFaults() {
  Again(swarm_.server_killed, [this] { server_->Kill(); });
  Again(swarm_.server_stopped, [this] { server_->Stop(); });
  Again(swarm_.server_paused,
        [this] { server_->Pause(random_.LogBetween(10ms, swarm_.pause_max)); });
  const auto any = [this]() -> Payer& { return *payers_[random_.Below(payers_.size())]; };
  Again(swarm_.caller_killed, [this, any] {
    any().Kill();
    if (!raw_callers_.empty()) raw_callers_[random_.Below(raw_callers_.size())]->Kill();
  });
  Again(swarm_.caller_quits, [any] { any().Quit(); });
  Again(swarm_.caller_paused, [this, any] {
    Payer& payer = any();
    if (!payer.up()) return;
    ++payer.counts().pauses;
    trace_.Add(scheduler_.now(), payer.name(), "is paused");
    payer.PauseFor(random_.LogBetween(50ms, 2 * swarm_.lease_max));
  });
  Again(swarm_.wall_stepped, [this] { StepWall(); });
  Again(2s, [this] { Settle(); });
}

void World::StepWall() {
  const Duration by = random_.LogBetween(10ms, swarm_.wall_step_max);
  server_->StepWall(random_.Chance(0.5) ? by : -by);
}

void World::Settle() {
  for (const storage::Scanned& scanned : server_->disk().All()) {
    const storage::Record& record = *scanned.loaded.record;
    const auto parts = storage::SplitStoreKey(scanned.store_key);
    if (parts.name_space != "default" || record.state() != v1::CheckResultResponse::IN_DOUBT) {
      continue;
    }
    const std::string key(parts.key);
    if (!key.starts_with("pay-") || !random_.Chance(0.3)) continue;
    const std::string downstream = DownstreamIdempotencyKey("default", key);
    if (provider_->expects(downstream)) continue;
    v1::ResolveOutcomeRequest request;
    request.set_key(key);
    request.set_expected_fencing_token(record.fencing_token());
    request.set_actor("operator");
    request.set_reason("the books say so");
    const std::string reference = provider_->reference(downstream);
    request.set_outcome(reference.empty() ? v1::ResolveOutcomeRequest::NOT_EXECUTED
                                          : v1::ResolveOutcomeRequest::SUCCEEDED);
    request.set_provider_reference(reference);
    ++settled_;
    network_->Call<v1::ResolveOutcomeRequest, v1::ResolveOutcomeResponse>(
        *prober_, request, {1s}, [](const internal::CallStatus&, const auto&) {});
    return;
  }
}

// False once a promise is broken.
bool World::Pass(Duration time) {
  const Duration until = scheduler_.now() + time;
  Duration moment = scheduler_.now();
  std::uint64_t steps_then = scheduler_.steps();
  while (violation_.empty() && scheduler_.RunNext(until)) {
    if (scheduler_.now() - moment > 1ms) {
      moment = scheduler_.now();
      steps_then = scheduler_.steps();
    } else if (scheduler_.steps() - steps_then > kStepsInAMoment) {
      OnViolation("L10", "time does not go on: something is done again and again");
    }
  }
  return violation_.empty();
}

RunReport World::Run() {
  const internal::LibraryThread mark;  // nothing here may block
  trace_.Add(scheduler_.now(), "seed", std::to_string(seed_) + ", faults:" + swarm_.Describe());
  StartHosts();
  StartFaults();
  if (Pass(swarm_.length)) {
    Heal();
    RequireRest();
  }
  return MakeReport();
}

RunReport World::MakeReport() {
  RunReport report;
  report.seed = seed_;
  report.violation = violation_;
  report.hash = trace_.hash();
  report.steps = scheduler_.steps();
  report.simulated = scheduler_.now();
  if (!violation_.empty()) report.story = trace_.Last();
  Counts& counts = report.counts;
  const CheckerCounts& seen = checker_->counts();
  counts = {{"answered", seen.answered},         {"acknowledged", seen.acknowledged},
            {"unknown", seen.unanswered},        {"grants", seen.grants},
            {"recoveries", seen.recoveries},     {"replays", seen.replays},
            {"renewals", seen.renewals},         {"recorded", seen.recorded},
            {"handed_over", seen.handed_over},   {"late_results", seen.late_results},
            {"lost_leases", seen.lost_leases},   {"stale", seen.stale},
            {"fingerprints", seen.fingerprints}, {"ended_attempts", seen.ended_attempts},
            {"expired_keys", seen.expired_keys}};
  const ServerHost::Counts& server = server_->counts();
  counts["lapses"] = server.lapses;
  counts["stalls"] = server.stalls;
  counts["crashes"] = server.crashes;
  counts["crashes_in_store"] = server.crashes_in_store;
  counts["store_failures"] = server.store_failures;
  counts["stops"] = server.stops;
  counts["server_pauses"] = server.pauses;
  for (const auto& payer : payers_) {
    const PayerCounts& paid = payer->counts();
    counts["paid"] += paid.succeeded;
    counts["paid_replayed"] += paid.replayed;
    counts["paid_recovered"] += paid.recovered;
    counts["left_in_doubt"] += paid.in_doubt;
    counts["caller_kills"] += paid.kills;
    counts["caller_quits"] += paid.quits;
    counts["caller_pauses"] += paid.pauses;
    counts["leases_lost"] += paid.lost;
  }
  counts["charges"] = provider_->charges();
  counts["deduplicated"] = provider_->deduplicated();
  counts["settled"] = settled_;
  counts["probes"] = probes_;
  return report;
}

}  // namespace latchkey::simulation
