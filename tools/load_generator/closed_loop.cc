#include "tools/load_generator/closed_loop.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <random>

#include "latchkey/v1/coordination.grpc.pb.h"
#include "tools/load_generator/report.h"
#include <grpcpp/grpcpp.h>

namespace latchkey::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr int kChannelsMax = 8;
constexpr std::size_t kPayloadBytes = 100;
constexpr int kLeaseSeconds = 600;

// What all flows of a run share.
struct Run {
  explicit Run(const LoadOptions& load_options) : options(load_options) {}

  const LoadOptions& options;
  SteadyClock::time_point measure_from;
  SteadyClock::time_point measure_until;
  std::atomic<std::uint64_t> finished = 0;
  std::atomic<int> running = 0;
  std::mutex mutex;
  std::condition_variable ended;
  std::string first_error;  // under mutex

  bool Over() const {
    if (options.flows_max > 0 && finished.load() >= options.flows_max) return true;
    return SteadyClock::now() >= measure_until;
  }
  void Fail(const std::string& why) {
    const std::lock_guard lock(mutex);
    if (first_error.empty()) first_error = why;
  }
};

// Sends one flow after the other until the run is over.
class FlowLoop {
 public:
  FlowLoop(Run& run, int number, v1::CoordinationService::Stub& stub)
      : run_(run), number_(number), stub_(stub), random_(static_cast<std::uint64_t>(number)) {
    acquire_.mutable_lease_duration()->set_seconds(kLeaseSeconds);
    acquire_.set_holder_id("bench");
  }

  void Next() {
    if (run_.Over()) return End();
    acquire_.set_key(run_.options.key_prefix + ":" + std::to_string(number_) + ":" +
                     std::to_string(sent_++));
    acquire_.set_attempt_id(acquire_.key());
    context_.emplace();
    granted_.Clear();
    sent_at_ = SteadyClock::now();
    stub_.async()->AcquireLock(&*context_, &acquire_, &granted_,
                               [this](const grpc::Status& status) {
                                 if (!status.ok() || !granted_.has_grant())
                                   return Fail(status, granted_.ShortDebugString());
                                 if (run_.options.flow == Flow::kAcquire) return Finished();
                                 Record();
                               });
  }

  std::vector<std::chrono::nanoseconds>& latencies() { return latencies_; }

 private:
  void Record() {
    std::string payload(kPayloadBytes, '\0');
    std::generate(payload.begin(), payload.end(), [this] { return static_cast<char>(random_()); });
    record_.set_key(acquire_.key());
    record_.set_fencing_token(granted_.grant().fencing_token());
    record_.set_outcome(v1::Result::SUCCEEDED);
    record_.set_payload(std::move(payload));
    context_.emplace();
    stub_.async()->RecordResult(&*context_, &record_, &recorded_,
                                [this](const grpc::Status& status) {
                                  if (!status.ok()) return Fail(status, "");
                                  Finished();
                                });
  }

  void Finished() {
    const auto now = SteadyClock::now();
    if (sent_at_ >= run_.measure_from && now <= run_.measure_until)
      latencies_.push_back(now - sent_at_);
    ++run_.finished;
    Next();
  }

  void Fail(const grpc::Status& status, const std::string& response) {
    run_.Fail(status.ok() ? "no grant: " + response : status.error_message());
    End();
  }

  void End() {
    const std::lock_guard lock(run_.mutex);
    --run_.running;
    run_.ended.notify_all();
  }

  Run& run_;
  const int number_;
  v1::CoordinationService::Stub& stub_;
  std::mt19937_64 random_;
  std::uint64_t sent_ = 0;
  SteadyClock::time_point sent_at_;
  std::optional<grpc::ClientContext> context_;
  v1::AcquireLockRequest acquire_;
  v1::AcquireLockResponse granted_;
  v1::RecordResultRequest record_;
  v1::RecordResultResponse recorded_;
  std::vector<std::chrono::nanoseconds> latencies_;
};

std::vector<std::unique_ptr<v1::CoordinationService::Stub>> Connect(const LoadOptions& options) {
  std::vector<std::unique_ptr<v1::CoordinationService::Stub>> stubs;
  const int channels = std::min(kChannelsMax, options.concurrency);
  stubs.reserve(static_cast<std::size_t>(channels));
  for (int i = 0; i < channels; ++i) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection of its own
    arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
    stubs.push_back(v1::CoordinationService::NewStub(
        grpc::CreateCustomChannel(options.address, grpc::InsecureChannelCredentials(), arguments)));
  }
  return stubs;
}

void WaitUntilOver(Run& run) {
  std::unique_lock lock(run.mutex);
  const auto over = [&run] { return run.running.load() == 0; };
  while (!run.ended.wait_for(lock, std::chrono::seconds(1), over)) {
    const auto left = std::chrono::duration<double>(run.measure_until - SteadyClock::now()).count();
    const std::string of =
        run.options.flows_max > 0
            ? std::to_string(run.finished.load()) + " of " + std::to_string(run.options.flows_max)
            : std::to_string(static_cast<int>(std::max(left, 0.0))) + " s left";
    if (!run.options.progress.empty()) ShowProgress(run.options.progress + ": " + of);
  }
  ShowProgress("");
}

}  // namespace

absl::StatusOr<Measurement> RunLoad(const LoadOptions& options) {
  const auto stubs = Connect(options);
  Run run(options);
  const auto begin = SteadyClock::now();
  run.measure_from = begin + options.warm_up;
  run.measure_until = run.measure_from + options.measure;
  std::vector<std::unique_ptr<FlowLoop>> loops;
  loops.reserve(static_cast<std::size_t>(options.concurrency));
  run.running = options.concurrency;
  for (int i = 0; i < options.concurrency; ++i) {
    loops.push_back(
        std::make_unique<FlowLoop>(run, i, *stubs[static_cast<std::size_t>(i) % stubs.size()]));
  }
  for (auto& loop : loops) loop->Next();
  WaitUntilOver(run);
  if (!run.first_error.empty()) return absl::UnavailableError(run.first_error);
  std::vector<std::chrono::nanoseconds> latencies;
  for (auto& loop : loops) {
    latencies.insert(latencies.end(), loop->latencies().begin(), loop->latencies().end());
  }
  return Measure(latencies, std::min<std::chrono::nanoseconds>(
                                options.measure, SteadyClock::now() - run.measure_from));
}

}  // namespace latchkey::bench
