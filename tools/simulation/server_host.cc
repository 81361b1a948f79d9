#include "tools/simulation/server_host.h"

#include <algorithm>
#include <utility>

namespace latchkey::simulation {
namespace {

using std::chrono_literals::operator""h;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using std::chrono_literals::operator""us;

// From work to a thread that has woken up.
constexpr Duration kWake = 30us;
// 2026-01-01, about.
constexpr Duration kWallAtZero = 24h * 365 * 56;

}  // namespace

WallTime ServerHost::wall_at_zero() { return WallTime(kWallAtZero); }

WallTime ServerHost::MachineClock::Wall() {
  return WallTime(kWallAtZero + scheduler.now() + wall_lead);
}

ServerHost::ServerHost(Scheduler& scheduler, Random& random, const Swarm& swarm, Trace& trace,
                       const ServerSettings& settings)
    : Host(scheduler, "server"),
      random_(random),
      swarm_(swarm),
      trace_(trace),
      settings_(settings),
      clock_(scheduler) {}

ServerHost::~ServerHost() = default;

void ServerHost::Note(const std::string& what) { trace_.Add(scheduler().now(), name(), what); }

void ServerHost::Start() {
  if (up()) {
    // Something that waits has it in its hands yet, and buries it when that is over.
    if (life_now_->dead()) StartAfter(10ms);
    return;
  }
  BeginLife();
  // Another machine's, or the same after a reboot, or no reboot at all.
  if (!random_.Chance(0.3)) {
    clock_.monotonic = DriftingClock(random_.LogBetween(1s, 24h * 300), network_->DrawDrift());
  }
  Note("starts");
  next_step_.assign(settings_.partitions, Duration::max());
  life_now_ = std::make_unique<ServerLife>(
      *this, settings_, clock_, disk_, *boundary_, [this] { return DrawFate(); },
      [this](const std::string& key, const storage::Record* record) {
        ++counts_.writes;
        events_->OnWritten(key, record);
      });
  Block([this] {
    if (const absl::Status started = life_now_->Start(); !started.ok()) {
      Note("does not start: " + std::string(started.message()));
      life_now_->Die();
    }
  });
  if (!up()) return StartAfter(random_.LogBetween(50ms, 2s));
  time_down_ += scheduler().now() - died_at_;
  Note("serves");
  serving_ = true;
  events_->OnServing();
  for (std::size_t i = 0; i < settings_.partitions; ++i) StepAt(i, scheduler().now());
  RunAfter(1s, [this] { Housekeep(); });
}

void ServerHost::StartAfter(Duration time) {
  scheduler().After(time, [this] { Start(); });
}

void ServerHost::Kill() {
  if (!up()) return;
  Note("is killed");
  ++counts_.crashes;
  life_now_->Die();
  if (!busy_) Bury();
  StartAfter(random_.LogBetween(1ms, 3s));
}

void ServerHost::Stop() {
  if (!serving_ || life_now_->failed()) return;
  Note("is told to stop");
  ++counts_.stops;
  life_now_->BeginShutdown();
  RunAfter(random_.LogBetween(10ms, 2s), [this] { FinishStop(); });
}

void ServerHost::FinishStop() {
  if (busy_) return RunAfter(1ms, [this] { FinishStop(); });
  Block([this] {
    const bool clean = life_now_->FinishShutdown().ok();
    if (life_now_->dead()) return;
    Note(clean ? "has stopped" : "could not stop cleanly");
    life_now_->Die();
    StartAfter(random_.LogBetween(10ms, 2s));
  });
}

void ServerHost::Pause(Duration time) {
  if (!up()) return;
  Note("is paused");
  ++counts_.pauses;
  const Duration now = scheduler().now();
  // One pause at a time counts; a later one within it makes it longer.
  if (!paused()) pause_ = {now, now + time};
  PauseFor(time);
}

void ServerHost::StepWall(Duration by) {
  Note("wall clock steps by " + std::to_string(by.count()) + " ns");
  clock_.wall_lead += by;
}

void ServerHost::OnStoreFailed() {
  Note("store has failed");
  ++counts_.store_failures;
  events_->OnStoreFailed();
  // It exits, and is started again.
  RunAfter(random_.LogBetween(1ms, 3s), [this] { Kill(); });
}

WriteFate ServerHost::DieIn(double durable) {
  Note("dies in a store call");
  ++counts_.crashes;
  ++counts_.crashes_in_store;
  life_now_->Die();
  StartAfter(random_.LogBetween(1ms, 3s));
  return {WriteFate::End::kDies, durable};
}

WriteFate ServerHost::DrawFate() {
  using End = WriteFate::End;
  const bool slow = random_.Chance(swarm_.store_slow);
  const Duration longest = slow ? swarm_.store_slow_max : swarm_.sync_max;
  const Duration time = random_.LogBetween(swarm_.sync_min, longest);
  if (random_.Chance(swarm_.crash_before_store)) return DieIn(0);
  if (random_.Chance(swarm_.store_fails_before)) return {End::kFails, 0};
  const bool dies = random_.Chance(swarm_.crash_in_store);
  const double part = random_.OneOf({0.0, 0.5, 1.0});
  if (!Pass(dies ? time / 2 : time)) return {End::kDies, part};
  if (dies) return DieIn(part);
  if (random_.Chance(swarm_.store_fails_after)) return {End::kFails, part};
  if (random_.Chance(swarm_.crash_after_store)) return DieIn(1);
  return {};
}

bool ServerHost::Pass(Duration time) {
  Duration until = scheduler().now() + time;
  do {
    while (!life_now_->dead() && scheduler().RunNext(until)) {
    }
    until = paused_until();
  } while (!life_now_->dead() && paused());
  return !life_now_->dead();
}

void ServerHost::Block(const std::function<void()>& work) {
  busy_ = true;
  work();
  busy_ = false;
  if (life_now_->dead()) Bury();
}

void ServerHost::Bury() {
  died_at_ = scheduler().now();
  pause_.reset();
  serving_ = false;
  counts_.lapses += life_now_->lapses();
  counts_.stalls += life_now_->stalls();
  network_->OnServerDied();
  events_->OnServerDied();
  EndLife();
  busy_ = true;  // what it frees must not wake it
  life_now_.reset();
  busy_ = false;
}

void ServerHost::WakePartitions() {
  for (std::size_t i = 0; i < settings_.partitions; ++i) {
    if (life_now_->partitions().partition_thread(i).queue_length() > 0) {
      StepAt(i, scheduler().now() + kWake);
    }
  }
}

void ServerHost::StepAt(std::size_t place, Duration when) {
  if (next_step_[place] <= when) return;
  next_step_[place] = when;
  RunAt(when, [this, place, when] {
    if (next_step_[place] != when) return;
    next_step_[place] = Duration::max();
    Step(place);
  });
}

void ServerHost::Step(std::size_t place) {
  // Another thread of the process is at the store, or takes the processor.
  if (busy_) return StepAt(place, scheduler().now() + random_.Between(kWake, 1ms));
  Block([this, place] {
    if (pause_ && pause_->second - pause_->first > kStallMin) {
      events_->OnStalled(pause_->first, pause_->second);
    }
    pause_.reset();
    events_->OnStepBegins();
    life_now_->partitions().Step(place);
    if (!life_now_->dead()) events_->OnStepEnds();
  });
  if (!up()) return;
  const PartitionThread& thread = life_now_->partitions().partition_thread(place);
  Duration next = scheduler().now() + kLookMax;
  if (const auto timer = thread.partition().NextTimer()) {
    next = std::min(next, clock_.monotonic.WhenShows(timer->time_since_epoch()));
  }
  if (thread.queue_length() > 0) next = scheduler().now();
  StepAt(place, std::max(next, scheduler().now() + Duration(1)));
}

void ServerHost::Housekeep() {
  if (busy_) return RunAfter(1ms, [this] { Housekeep(); });
  disk_.nearly_full = swarm_.disk_fills && random_.Chance(0.05);
  Block([this] { life_now_->Housekeep(); });
  if (!up()) return;
  // Not while a call waits, which keeps a completed record in memory: the disk here counts
  // revisions, and a compaction that changes one would pass for a second writer.
  const bool waited_for = life_now_->partitions().waiters() > 0;
  if (!life_now_->failed() && !waited_for && random_.Chance(0.1)) {
    static_cast<DiskStore&>(life_now_->store())
        .Compact([this](std::string_view key, storage::Record& record) {
          return life_now_->retention().Expire(key, record);
        });
  }
  RunAfter(1s, [this] { Housekeep(); });
}

}  // namespace latchkey::simulation
