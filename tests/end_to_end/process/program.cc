#include "tests/end_to_end/process/program.h"

#include <stdlib.h>

#include <fstream>
#include <sstream>
#include <stdexcept>

#include <gtest/gtest.h>

namespace latchkey {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

constexpr auto kPatience = 30s;
constexpr std::string_view kServing = " is serving on ";

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

demo::ChildProcess StartLatchkeyd(std::vector<std::string> arguments,
                                  const std::filesystem::path& log) {
  arguments.insert(arguments.begin(), LATCHKEYD);
  auto started = demo::ChildProcess::Start(arguments, log.string());
  if (!started.ok()) throw std::runtime_error(std::string(started.status().message()));
  return *std::move(started);
}

}  // namespace

TemporaryDirectory::TemporaryDirectory() {
  std::string name = (std::filesystem::temp_directory_path() / "latchkey-XXXXXX").string();
  path_ = mkdtemp(name.data());
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

Ended RunLatchkeyd(const std::vector<std::string>& arguments) {
  TemporaryDirectory directory;
  demo::ChildProcess process = StartLatchkeyd(arguments, directory / "log");
  Ended ended;
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (process.live() && std::chrono::steady_clock::now() < until) {
    demo::ChildProcess::WaitForOutput({&process}, 100ms);
    for (const std::string& line : process.TakeLines()) ended.standard_output += line + "\n";
  }
  ended.exit_code = process.Stop(0ms);
  ended.standard_error = ReadFile(directory / "log");
  return ended;
}

RunningLatchkeyd::RunningLatchkeyd(std::vector<std::string> arguments)
    : process_([&] {
        arguments.push_back("--listen-address=127.0.0.1:0");
        return StartLatchkeyd(arguments, directory_ / "log");
      }()) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (address_.empty() && process_.live() && std::chrono::steady_clock::now() < until) {
    demo::ChildProcess::WaitForOutput({&process_}, 100ms);
    for (const std::string& line : process_.TakeLines()) {
      const auto found = line.find(kServing);
      if (found != std::string::npos) address_ = line.substr(found + kServing.size());
    }
  }
  if (address_.empty()) throw std::runtime_error("latchkeyd does not serve: " + Log());
  channel_ = grpc::CreateChannel(address_, grpc::InsecureChannelCredentials());
  coordination_ = v1::CoordinationService::NewStub(channel_);
  admin_ = v1::AdminService::NewStub(channel_);
}

void RunningLatchkeyd::Kill() { demo::ChildProcess killed(std::move(process_)); }

int RunningLatchkeyd::Terminate() { return process_.Stop(kPatience); }

std::optional<int> RunningLatchkeyd::AwaitEnd(std::chrono::seconds patience) {
  const auto until = std::chrono::steady_clock::now() + patience;
  while (process_.live()) {
    if (std::chrono::steady_clock::now() >= until) return std::nullopt;
    demo::ChildProcess::WaitForOutput({&process_}, 100ms);
    process_.TakeLines();
  }
  return process_.Stop(kPatience);
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
