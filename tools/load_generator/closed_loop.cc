#include "tools/load_generator/closed_loop.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

#include "tools/load_generator/report.h"

namespace latchkey::bench {

using SteadyClock = std::chrono::steady_clock;

class Run {
 public:
  explicit Run(const LoadOptions& options)
      : options_(options),
        measure_from_(SteadyClock::now() + options.warm_up),
        measure_until_(measure_from_ + options.measure),
        running_(options.concurrency) {}

  const std::string& key_prefix() const { return options_.key_prefix; }

  bool Over(SteadyClock::time_point now) const {
    if (options_.flows_max > 0 && finished_.load() >= options_.flows_max) return true;
    return now >= measure_until_ || failed_.load();
  }

  void Finished(SteadyClock::time_point sent_at, SteadyClock::time_point now) {
    if (now >= measure_from_ && now <= measure_until_) latencies_.Record(now - sent_at);
    ++finished_;
  }

  void Fail(const std::string& why) {
    const std::lock_guard lock(mutex_);
    if (!failed_.exchange(true)) first_error_ = why;
  }

  void LoopEnded() {
    const std::lock_guard lock(mutex_);
    --running_;
    ended_.notify_all();
  }

  void WaitUntilOver() {
    std::unique_lock lock(mutex_);
    while (!ended_.wait_for(lock, std::chrono::seconds(1), [this] { return running_ == 0; })) {
      if (!options_.progress.empty()) ShowProgress(options_.progress + ": " + HowFar());
    }
    if (!options_.progress.empty()) ShowProgress("");
  }

  absl::StatusOr<Measurement> Outcome() const {
    if (failed_.load()) return absl::UnavailableError(first_error_);
    return Measure(latencies_, std::min<std::chrono::nanoseconds>(
                                   options_.measure, SteadyClock::now() - measure_from_));
  }

 private:
  std::string HowFar() const {
    const std::string finished = std::to_string(finished_.load());
    if (options_.flows_max > 0) return finished + " of " + std::to_string(options_.flows_max);
    const auto left = std::chrono::duration<double>(measure_until_ - SteadyClock::now()).count();
    return finished + " done, " + std::to_string(static_cast<int>(std::max(left, 0.0))) + " s left";
  }

  const LoadOptions& options_;
  const SteadyClock::time_point measure_from_;
  const SteadyClock::time_point measure_until_;
  std::atomic<std::uint64_t> finished_ = 0;
  Histogram latencies_;  // of the flows that ended while it was measured
  std::atomic<bool> failed_ = false;
  std::mutex mutex_;
  std::condition_variable ended_;
  int running_;              // under mutex_
  std::string first_error_;  // under mutex_ until all loops have ended
};

void FlowLoop::Join(Run& run, int number) {
  run_ = &run;
  number_ = number;
  random_.seed(static_cast<std::uint64_t>(number));
}

void FlowLoop::Next() { BeginAt(SteadyClock::now()); }

void FlowLoop::BeginAt(TimePoint now) {
  if (run_->Over(now)) return End();
  sent_at_ = now;
  key_ = run_->key_prefix();
  key_ += ':';
  key_ += std::to_string(number_);
  key_ += ':';
  key_ += std::to_string(sent_++);
  Send();
}

void FlowLoop::Finished() {
  const auto now = SteadyClock::now();
  run_->Finished(sent_at_, now);
  BeginAt(now);
}

void FlowLoop::Failed(const std::string& why) {
  run_->Fail(why);
  End();
}

void FlowLoop::End() { run_->LoopEnded(); }

std::string FlowLoop::MakePayload() {
  std::string payload(kPayloadBytes, '\0');
  for (std::size_t at = 0; at < payload.size(); at += sizeof(std::uint64_t)) {
    const std::uint64_t bytes = random_();
    std::memcpy(payload.data() + at, &bytes, std::min(sizeof(bytes), payload.size() - at));
  }
  return payload;
}

absl::StatusOr<Measurement> RunLoad(Driver& driver, const LoadOptions& options) {
  const auto run = std::make_unique<Run>(options);
  std::vector<std::unique_ptr<FlowLoop>> loops;
  loops.reserve(static_cast<std::size_t>(options.concurrency));
  for (int number = 0; number < options.concurrency; ++number) {
    loops.push_back(driver.MakeLoop(number));
    loops.back()->Join(*run, number);
  }
  driver.Start([&loops] {
    for (const auto& loop : loops) loop->Next();
  });
  run->WaitUntilOver();
  driver.Stop();
  return run->Outcome();
}

}  // namespace latchkey::bench
