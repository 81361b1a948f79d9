#include "server/partition/partition_thread.h"

#include <algorithm>
#include <iterator>

#include "server/partition/refusals.h"

namespace latchkey {

PartitionThread::PartitionThread(const PartitionEnvironment& environment)
    : partition_(environment), limits_(*environment.limits), clock_(*environment.clock) {}

PartitionThread::~PartitionThread() { Stop(); }

void PartitionThread::Start() {
  partition_.BeginServing();
  thread_ = std::thread([this] { Run(); });
}

void PartitionThread::Stop() {
  if (!thread_.joinable()) return;
  Post(EndWaits{});
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    changed_.NotifyOne();
  }
  thread_.join();
}

std::optional<PartitionThread::NotTaken> PartitionThread::Submit(std::span<Call* const> calls) {
  std::size_t taken = 0;
  bool wake = false;
  {
    MutexLock lock(mutex_);
    if (stopping_) return NotTaken{0, ShuttingDown()};
    wake = sleeping_;
    for (; taken < calls.size(); ++taken) {
      const std::size_t bytes = calls[taken]->request_bytes;
      if (queue_.size() >= limits_.queued_calls || queued_bytes_ + bytes > limits_.queued_bytes) {
        break;
      }
      queued_bytes_ += bytes;
      queue_.emplace_back(calls[taken]);
    }
  }
  // Not with the mutex held: the thread would wake only to wait for it.
  if (wake) changed_.NotifyOne();
  if (taken < calls.size()) return NotTaken{taken, Overloaded()};
  return std::nullopt;
}

void PartitionThread::Post(Work work) {
  bool wake = false;
  {
    MutexLock lock(mutex_);
    queue_.push_back(std::move(work));
    wake = sleeping_;
  }
  if (wake) changed_.NotifyOne();
}

std::size_t PartitionThread::queue_length() const {
  MutexLock lock(mutex_);
  return queue_.size();
}

void PartitionThread::Run() {
  std::vector<Work> batch;
  while (TakeBatch(batch)) Decide(batch);
}

void PartitionThread::Step() {
  std::vector<Work> batch;
  {
    MutexLock lock(mutex_);
    Take(batch);
  }
  Decide(batch);
}

void PartitionThread::Decide(std::span<Work> work) {
  std::size_t done = 0;
  do {
    const std::size_t take = std::min(limits_.batch_calls, work.size() - done);
    const bool more_queued = done + take < work.size();
    partition_.Process(work.subspan(done, take), more_queued, taken_at_);
    done += take;
  } while (done < work.size() || partition_.HasBacklog());
}

bool PartitionThread::TakeBatch(std::vector<Work>& batch) {
  const auto timer = partition_.NextTimer();
  batch.clear();
  MutexLock lock(mutex_);
  if (queue_.empty() && !stopping_) {
    Duration wait = kLookMax;
    if (timer.has_value())
      wait = std::clamp(*timer - clock_.Monotonic(), Duration::zero(), kLookMax);
    sleeping_ = true;
    changed_.WaitFor(mutex_, wait);
    sleeping_ = false;
  }
  Take(batch);
  return !batch.empty() || !stopping_;
}

void PartitionThread::Take(std::vector<Work>& batch) {
  taken_at_ = clock_.Monotonic();
  queue_.swap(batch);
  queued_bytes_ = 0;
}

}  // namespace latchkey
