// How the callers of one namespace fare beside those of another that is at its quota.

#include <cstdio>
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
  TenantLoop(client::internal::Transport& session, client::internal::Runtime& runtime,
             Manners manners)
      : session_(session), runtime_(runtime), manners_(manners) {}

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
    return std::make_unique<TenantLoop>(*session_, *runtime_, manners_);
  }

 private:
  const Manners manners_;
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

constexpr Case kCases[] = {{"nobody", 0, std::nullopt},
                           {"a tenant without a quota", 0, Manners::kNone},
                           {"at its quota, patient", 100, Manners::kPatient},
                           {"at its quota, asking at once", 100, Manners::kNone}};

absl::StatusOr<Row> MeasureBeside(const BenchOptions& options, const Case& beside) {
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
  load.progress = std::string("tenants: beside ") + beside.name;
  std::optional<std::thread> tenant;
  absl::StatusOr<Measurement> of_tenant = Measurement();
  if (beside.manners.has_value()) {
    tenant.emplace([&, load]() mutable {
      TenantDriver driver(server.process->address(), *beside.manners);
      load.concurrency = kTenantCallers;
      load.key_prefix = kTenant;
      load.progress.clear();
      of_tenant = RunLoad(driver, load);
    });
  }
  const auto driver = MakeLatchkeyDriver(kFastest, server.process->address(),
                                         Flow::kAcquireAndRecord, kGoodCallers);
  const auto good = RunLoad(*driver, load);
  if (tenant.has_value()) tenant->join();
  if (!good.ok()) return good.status();
  if (!of_tenant.ok()) return of_tenant.status();
  Row row = LatchkeyRow(options, "tenants", beside.name, kFastest);
  row.concurrency = kGoodCallers;
  row.repetitions = {*good};
  row.more = {{"tenant_answers_per_second", of_tenant->operations_per_second}};
  return row;
}

}  // namespace

absl::Status BenchTenants(const BenchOptions& options) {
  std::vector<Row> rows;
  for (const Case& beside : kCases) {
    Row all;
    for (int i = 0; i < options.repetitions; ++i) {
      const auto row = MeasureBeside(options, beside);
      if (!row.ok()) return row.status();
      if (i == 0) {
        all = *row;
      } else {
        all.repetitions.push_back(row->repetitions.front());
      }
    }
    rows.push_back(std::move(all));
  }
  ShowProgress("");
  std::printf("%-30s %14s %10s %10s %10s\n", "beside", "its answers/s", "flows/s", "p50 us",
              "p99 us");
  for (const Row& row : rows) {
    std::printf("%-30s %14.0f %10.0f %10.0f %10.0f\n", row.part.c_str(), row.more[0].second,
                Median(Collect(row, &Measurement::operations_per_second)),
                Median(Collect(row, &Measurement::p50_us)),
                Median(Collect(row, &Measurement::p99_us)));
  }
  return WriteJson(rows, options.output + "/tenants.json");
}

}  // namespace latchkey::bench
