#include "tools/simulation/server_life.h"

#include <algorithm>
#include <utility>

#include "tools/simulation/server_host.h"

namespace latchkey::simulation {

ServerLife::ServerLife(ServerHost& host, const ServerSettings& settings, Clock& clock, Disk& disk,
                       Boundary& boundary, WriteScript script, WriteListener listener)
    : host_(host),
      settings_(settings),
      clock_(clock),
      boundary_(boundary),
      store_(disk, std::move(script), std::move(listener)),
      fail_stop_([this](const std::string&) {
        if (!dead_) host_.OnStoreFailed();
      }),
      reply_budget_(settings.reply_budget_bytes) {}

absl::Status ServerLife::Start() {
  auto retention = Retention::Start(store_, settings_.namespaces, clock_,
                                    {.accept_clock_step = false, .limits = settings_.limits});
  if (!retention.ok()) return retention.status();
  retention_ = *std::move(retention);
  PartitionObserver& observer = *this;
  housekeeper_ =
      std::make_unique<Housekeeper>(store_, *retention_, fail_stop_, observer, std::nullopt);
  PartitionEnvironment environment;
  environment.limits = &settings_.limits;
  environment.namespaces = &settings_.namespaces;
  environment.clock = &clock_;
  environment.store = &store_;
  environment.retention = retention_.get();
  environment.live_counts = &live_counts_;
  environment.fail_stop = &fail_stop_;
  environment.observer = this;
  environment.storage_full = &housekeeper_->storage_full();
  partitions_ = std::make_unique<Partitions>(environment, settings_.partitions);
  environment_ = std::make_unique<CallEnvironment>(
      CallEnvironment{settings_.limits, settings_.namespaces, clock_, *retention_, *partitions_,
                      reply_budget_, fail_stop_, shutting_down_});
  return partitions_->StartStepped();
}

// The partitions are made to let go of every call, as they do when the store has failed, so that
// what the dead process was asked to do is freed.
ServerLife::~ServerLife() {
  dead_ = true;
  if (partitions_ == nullptr) return;
  fail_stop_.Trip("the process has ended");
  // Twice: what is freed may let others go on.
  for (int round = 0; round < 2; ++round) {
    for (const auto& session : sessions_) session->Sever();
    for (std::size_t i = 0; i < partitions_->count(); ++i) partitions_->Step(i);
  }
}

SessionEnd* ServerLife::Accept(std::shared_ptr<Stream> stream) {
  if (shutting_down_) {
    stream->ServerEnds({grpc::StatusCode::UNAVAILABLE, "shutting down", ""});
    return nullptr;
  }
  sessions_.push_back(std::make_unique<SessionEnd>(*this, std::move(stream)));
  return sessions_.back().get();
}

void ServerLife::WakePartitions() {
  if (!dead_) host_.WakePartitions();
}

void ServerLife::Housekeep() { housekeeper_->Round(); }

void ServerLife::BeginShutdown() {
  shutting_down_ = true;
  partitions_->EndAllWaits();
  for (const auto& session : sessions_) session->Drain();
  WakePartitions();
}

absl::Status ServerLife::FinishShutdown() {
  if (fail_stop_.tripped()) return absl::OkStatus();
  if (absl::Status saved = retention_->Save(); !saved.ok()) return saved;
  return store_.Close();
}

void ServerLife::Cancel(std::uint64_t number) {
  const auto found = calls_.find(number);
  if (found == calls_.end()) return;
  Call& call = *found->second;
  boundary_.OnGone(number, /*cut_off=*/true);
  call.SetGone();
  partitions_->Cancel(call.store_key, &call, call.serial);
  WakePartitions();
}

bool ServerLife::idle() const {
  if (!calls_.empty() || partitions_->waiters() > 0) return false;
  for (std::size_t i = 0; i < partitions_->count(); ++i) {
    const PartitionThread& thread = partitions_->partition_thread(i);
    if (thread.queue_length() > 0 || thread.partition().HasBacklog()) return false;
    if (thread.partition().NextTimer().has_value()) return false;
  }
  return true;
}

void ServerLife::OnStep(const std::string&, const Step& step) { lapses_ += step.lapsed ? 1 : 0; }

void ServerLife::OnStall(Duration) { ++stalls_; }

}  // namespace latchkey::simulation
