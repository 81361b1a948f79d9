// How the callers of one namespace fare beside those of another that is at its quota.

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "client/src/failure.h"
#include "client/src/grpc_transport.h"
#include "client/src/system_runtime.h"
#include "tools/load_generator/benches.h"
#include "tools/load_generator/own_systems.h"
#include "tools/load_generator/report.h"
#include "tools/load_generator/turns.h"

namespace latchkey::bench {
namespace {

using client::internal::CallStatus;

constexpr int kGoodCallers = 4;
constexpr int kTenantCallers = 64;
constexpr char kTenant[] = "tenant";
constexpr std::chrono::milliseconds kPause(100);

// What the callers of the tenant do with a refusal.
enum class Manners {
  kNone,     // ask again at once
  kPatient,  // wait as long as it says, at least a tenth of a second, as the client library does
};

// Begins keys of the tenant as fast as it may.
class TenantLoop final : public FlowLoop {
 public:
  // Counts its grants in `grants`.
  TenantLoop(client::internal::Transport& session, client::internal::Runtime& runtime,
             Manners manners, std::atomic<std::uint64_t>& grants)
      : session_(session), runtime_(runtime), manners_(manners), grants_(grants) {}

 private:
  void Send() override {
    v1::AcquireLockRequest request;
    request.set_namespace_(kTenant);
    request.set_key(key());
    request.set_attempt_id(key());
    request.mutable_lease_duration()->set_seconds(600);
    session_.AcquireLock(std::move(request), {.timeout = std::chrono::seconds(60)},
                         [this](const CallStatus& status, const v1::AcquireLockResponse& response) {
                           if (response.has_grant())
                             return Record(response.grant().fencing_token());
                           const auto failure = client::internal::Explain(status);
                           if (failure.error.reason != "QUOTA_EXCEEDED")
                             return Failed(status.message);
                           if (manners_ == Manners::kNone) return Finished();
                           runtime_.RunAt(runtime_.Now() + std::max<std::chrono::nanoseconds>(
                                                               kPause, failure.retry_after),
                                          [this] { Finished(); });
                         });
  }
  void Record(std::uint64_t fencing_token) {
    ++grants_;
    v1::RecordResultRequest request;
    request.set_namespace_(kTenant);
    request.set_key(key());
    request.set_fencing_token(fencing_token);
    request.set_outcome(v1::Result::SUCCEEDED);
    request.set_payload(MakePayload());
    session_.RecordResult(std::move(request), {.timeout = std::chrono::seconds(60)},
                          [this](const CallStatus& status, const v1::RecordResultResponse&) {
                            if (status.code != grpc::StatusCode::OK) return Failed(status.message);
                            Finished();
                          });
  }

  client::internal::Transport& session_;
  client::internal::Runtime& runtime_;
  const Manners manners_;
  std::atomic<std::uint64_t>& grants_;
};

class TenantDriver final : public Driver {
 public:
  TenantDriver(const std::string& address, Manners manners)
      : manners_(manners),
        session_(client::internal::MakeGrpcTransport(address, TransportKind::kSession, runtime_)) {}
  ~TenantDriver() override {
    runtime_->Stop();
    session_->Shutdown();
  }
  std::unique_ptr<FlowLoop> MakeLoop(int) override {
    return std::make_unique<TenantLoop>(*session_, *runtime_, manners_, grants_);
  }
  // In all.
  std::uint64_t grants() const { return grants_.load(); }

 private:
  const Manners manners_;
  std::atomic<std::uint64_t> grants_ = 0;
  const std::shared_ptr<client::internal::SystemRuntime> runtime_ =
      std::make_shared<client::internal::SystemRuntime>();
  const std::shared_ptr<client::internal::Transport> session_;
};

struct Case {
  const char* name;
  // Of the tenant; 0: there is none, and with no manners either, no tenant.
  int keys_per_second;
  std::optional<Manners> manners;
};

// The second one shows what two runs of the same differ by.
constexpr Case kCases[] = {{"nobody", 0, std::nullopt},
                           {"nobody, once more", 0, std::nullopt},
                           {"a tenant without a quota", 0, Manners::kNone},
                           {"a tenant at its quota, patient", 100, Manners::kPatient},
                           {"the same, asking at once", 100, Manners::kNone}};

// Of one repetition.
struct Beside {
  Measurement good;
  double tenant_answers_per_second = 0;
  double tenant_grants_per_second = 0;
};

// The tenant's part, next to the good callers' `load`.
absl::Status LoadAsTenant(const std::string& address, LoadOptions load, Manners manners,
                          Beside& measured) {
  TenantDriver driver(address, manners);
  load.concurrency = kTenantCallers;
  load.key_prefix = kTenant;
  load.progress.clear();
  const auto outcome = RunLoad(driver, load);
  if (!outcome.ok()) return outcome.status();
  const std::chrono::duration<double> took = load.warm_up + load.measure;
  measured.tenant_answers_per_second = outcome->operations_per_second;
  measured.tenant_grants_per_second = static_cast<double>(driver.grants()) / took.count();
  return absl::OkStatus();
}

absl::StatusOr<Beside> MeasureBeside(const BenchOptions& options, const Case& beside,
                                     const std::string& progress) {
  const std::string config = options.output + "/tenants.toml";
  std::ofstream(config) << "[namespaces." << kTenant
                        << "]\nnew_keys_per_second_max = " << beside.keys_per_second << "\n";
  FreshServer server(options, {"--config=" + config});
  if (!server.process.ok()) return server.process.status();
  LoadOptions load;
  load.concurrency = kGoodCallers;
  load.warm_up = options.warm_up;
  load.measure = options.measure;
  load.key_prefix = "good";
  load.progress = progress;
  Beside measured;
  absl::Status of_tenant;
  std::optional<std::thread> tenant;
  if (beside.manners.has_value()) {
    tenant.emplace([&] {
      of_tenant = LoadAsTenant(server.process->address(), load, *beside.manners, measured);
    });
  }
  const auto driver = MakeLatchkeyDriver(kFastest, server.process->address(),
                                         Flow::kAcquireAndRecord, kGoodCallers);
  const auto good = RunLoad(*driver, load);
  if (tenant.has_value()) tenant->join();
  if (!good.ok()) return good.status();
  if (!of_tenant.ok()) return of_tenant;
  measured.good = *good;
  return measured;
}

Row MakeRow(const BenchOptions& options, const Case& beside, const std::vector<Beside>& measured) {
  Row row = LatchkeyRow(options, "tenants", beside.name, kFastest);
  row.concurrency = kGoodCallers;
  std::vector<double> answers;
  std::vector<double> grants;
  for (const Beside& repetition : measured) {
    row.repetitions.push_back(repetition.good);
    answers.push_back(repetition.tenant_answers_per_second);
    grants.push_back(repetition.tenant_grants_per_second);
  }
  row.more = {{"tenant_answers_per_second", Median(answers)},
              {"tenant_grants_per_second", Median(grants)}};
  return row;
}

}  // namespace

absl::Status BenchTenants(const BenchOptions& options) {
  constexpr std::size_t kCount = std::size(kCases);
  std::vector<std::vector<Beside>> measured(kCount);
  std::error_code ignored;  // whoever writes there says so
  std::filesystem::create_directories(options.output, ignored);
  for (int repetition = 1; repetition <= options.repetitions; ++repetition) {
    for (std::size_t turn = 0; turn < kCount; ++turn) {
      const std::size_t number = InTurn(turn, kCount, repetition);
      const std::string progress = "tenants: " + std::to_string(repetition) + "/" +
                                   std::to_string(options.repetitions) + " beside " +
                                   kCases[number].name;
      const auto one = MeasureBeside(options, kCases[number], progress);
      if (!one.ok()) return one.status();
      measured[number].push_back(*one);
    }
  }
  std::vector<Row> rows;
  for (std::size_t number = 0; number < kCount; ++number) {
    rows.push_back(MakeRow(options, kCases[number], measured[number]));
  }
  std::printf(
      "%d callers of one namespace, one flow at a time each over a session, beside %d of "
      "another. Medians of %d repetitions.\n",
      kGoodCallers, kTenantCallers, options.repetitions);
  PrintBesideFirst("beside", rows);
  return WriteJson(rows, options.output + "/tenants.json");
}

}  // namespace latchkey::bench
