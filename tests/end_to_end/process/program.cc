#include "tests/end_to_end/process/program.h"

#include <signal.h>

#include <fstream>
#include <sstream>
#include <stdexcept>

#include <gtest/gtest.h>

namespace latchkey {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

constexpr auto kPatience = 30s;

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

Program Latchkeyd(std::vector<std::string> arguments, const std::string& log) {
  arguments.insert(arguments.begin(), LATCHKEYD);
  return {std::move(arguments), log};
}

template <class Started>
Started MustStart(absl::StatusOr<Started> started) {
  if (!started.ok()) throw std::runtime_error(std::string(started.status().message()));
  return *std::move(started);
}

}  // namespace

Ended RunLatchkeyd(const std::vector<std::string>& arguments) {
  TemporaryDirectory directory;
  ChildProcess process = MustStart(ChildProcess::Start(Latchkeyd(arguments, directory / "log")));
  Ended ended;
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (process.live() && std::chrono::steady_clock::now() < until) {
    ChildProcess::WaitForOutput({&process}, 100ms);
    for (const std::string& line : process.TakeLines()) ended.standard_output += line + "\n";
  }
  ended.exit_code = process.Stop(0ms);
  ended.standard_error = ReadFile(directory / "log");
  return ended;
}

RunningLatchkeyd::RunningLatchkeyd(std::vector<std::string> arguments,
                                   const std::string& listen_address)
    : server_([&] {
        arguments.push_back("--listen-address=" + listen_address);
        return MustStart(ServerProcess::Start(Latchkeyd(arguments, directory_ / "log"), kPatience));
      }()),
      channel_(grpc::CreateChannel(address(), grpc::InsecureChannelCredentials())),
      coordination_(v1::CoordinationService::NewStub(channel_)),
      admin_(v1::AdminService::NewStub(channel_)) {}

int RunningLatchkeyd::Terminate() { return server_.process().Stop(kPatience); }

std::optional<int> RunningLatchkeyd::AwaitEnd(std::chrono::seconds patience) {
  ChildProcess& process = server_.process();
  const auto until = std::chrono::steady_clock::now() + patience;
  while (process.live()) {
    if (std::chrono::steady_clock::now() >= until) return std::nullopt;
    ChildProcess::WaitForOutput({&process}, 100ms);
    process.TakeLines();
  }
  return process.Stop(kPatience);
}

void RunningLatchkeyd::Hangup() { ::kill(server_.process().pid(), SIGHUP); }

bool RunningLatchkeyd::AwaitLog(const std::string& words) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (Log().find(words) == std::string::npos) {
    if (std::chrono::steady_clock::now() >= until) return false;
    ChildProcess::WaitForOutput({&server_.process()}, 20ms);
  }
  return true;
}

std::string RunningLatchkeyd::Log() const { return ReadFile(directory_ / "log"); }

std::optional<std::uint64_t> RunningLatchkeyd::Acquire(const std::string& key,
                                                       const std::string& attempt_id,
                                                       grpc::Status* status) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kPatience);
  v1::AcquireLockRequest request;
  request.set_key(key);
  request.set_attempt_id(attempt_id);
  request.mutable_lease_duration()->set_seconds(60);
  v1::AcquireLockResponse response;
  const grpc::Status answered = coordination_->AcquireLock(&context, request, &response);
  if (status != nullptr) *status = answered;
  if (!answered.ok() || !response.has_grant()) return std::nullopt;
  return response.grant().fencing_token();
}

grpc::Status RunningLatchkeyd::Record(const std::string& key, std::uint64_t token,
                                      const std::string& payload) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kPatience);
  v1::RecordResultRequest request;
  request.set_key(key);
  request.set_fencing_token(token);
  request.set_outcome(v1::Result::SUCCEEDED);
  request.set_payload(payload);
  v1::RecordResultResponse response;
  return coordination_->RecordResult(&context, request, &response);
}

v1::CheckResultResponse RunningLatchkeyd::Check(const std::string& key) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kPatience);
  v1::CheckResultRequest request;
  request.set_key(key);
  v1::CheckResultResponse response;
  const auto status = coordination_->CheckResult(&context, request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return response;
}

}  // namespace latchkey
