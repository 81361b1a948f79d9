#include "server/service/housekeeper.h"

#include <algorithm>
#include <utility>

namespace latchkey {
namespace {

constexpr Duration kRound = std::chrono::seconds(1);
constexpr int kRoundsPerSave = 10;
constexpr std::uint64_t kReserveMax = std::uint64_t{256} << 20;
constexpr std::uint64_t kReserveShare = 20;  // one part in so many: 5%

}  // namespace

Housekeeper::Housekeeper(storage::RecordStore& store, Retention& retention, FailStop& fail_stop,
                         PartitionObserver& observer,
                         std::optional<std::uint64_t> storage_reserve_bytes)
    : store_(store),
      retention_(retention),
      fail_stop_(fail_stop),
      observer_(observer),
      configured_reserve_(storage_reserve_bytes) {
  LookAtSpace();
}

Housekeeper::~Housekeeper() { Stop(); }

void Housekeeper::Start(std::function<void()> each_round) {
  thread_ = std::thread([this, each_round = std::move(each_round)] { Run(each_round); });
}

void Housekeeper::Stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

void Housekeeper::Run(const std::function<void()>& each_round) {
  while (SleepUntilNextRound()) {
    Round();
    each_round();
  }
}

void Housekeeper::Round() {
  retention_.Tick();
  LookAtSpace();
  // Fails at once if the store failed in the background, where no call met it.
  TripIfFailed(store_.LoadState().status());
  if (++rounds_ % kRoundsPerSave == 0) TripIfFailed(retention_.Save());
}

void Housekeeper::TripIfFailed(const absl::Status& answer) {
  if (storage::HasFailed(store_, answer)) fail_stop_.Trip(std::string(answer.message()));
}

bool Housekeeper::SleepUntilNextRound() {
  MutexLock lock(mutex_);
  if (!stopping_) changed_.WaitFor(mutex_, kRound);
  return !stopping_;
}

void Housekeeper::LookAtSpace() {
  const auto space = store_.FreeSpace();
  if (!space.has_value()) return;
  const std::uint64_t reserve =
      configured_reserve_.value_or(std::min(kReserveMax, space->total_bytes / kReserveShare));
  free_bytes_ = space->free_bytes;
  reserve_bytes_ = reserve;
  storage_full_ = space->free_bytes < reserve;
  const Room room = space->free_bytes < reserve             ? Room::kNone
                    : space->free_bytes - reserve < reserve ? Room::kLittle
                                                            : Room::kPlenty;
  if (std::exchange(room_, room) != room) observer_.OnRoom(room, space->free_bytes, reserve);
}

}  // namespace latchkey
