// Runs latchkeyd as an operator would: words on a command line, lines on its outputs, an exit code.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "latchkey/v1/admin.grpc.pb.h"
#include "latchkey/v1/coordination.grpc.pb.h"
#include "tests/support/temporary_directory.h"
#include "tools/process/server_process.h"
#include <grpcpp/grpcpp.h>

namespace latchkey {

struct Ended {
  int exit_code = 0;  // 128 + the signal where one ended it
  std::string standard_output;
  std::string standard_error;
};

// Runs latchkeyd until it ends by itself; kills it after half a minute.
Ended RunLatchkeyd(const std::vector<std::string>& arguments);

// A latchkeyd that serves.
class RunningLatchkeyd {
 public:
  // Starts on a free port with these further arguments; the test fails if it does not serve.
  explicit RunningLatchkeyd(std::vector<std::string> arguments,
                            const std::string& listen_address = "127.0.0.1:0");

  v1::CoordinationService::Stub& coordination() { return *coordination_; }
  v1::AdminService::Stub& admin() { return *admin_; }
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }
  const std::string& address() const { return server_.address(); }

  // SIGHUP: reload.
  void Hangup();
  // Waits until its log has these words; false after half a minute.
  bool AwaitLog(const std::string& words);

  // SIGKILL.
  void Kill() { server_.process().Kill(); }
  // SIGTERM; what it came to.
  int Terminate();
  // Waits until it ends by itself; what it came to. Empty: it has not within the time.
  std::optional<int> AwaitEnd(std::chrono::seconds patience);
  std::string Log() const;

  // Short forms. The token of a grant, or nothing; the status goes to `status` if given.
  std::optional<std::uint64_t> Acquire(const std::string& key, const std::string& attempt_id,
                                       grpc::Status* status = nullptr);
  grpc::Status Record(const std::string& key, std::uint64_t token, const std::string& payload = "");
  v1::CheckResultResponse Check(const std::string& key);

 private:
  TemporaryDirectory directory_;
  ServerProcess server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::CoordinationService::Stub> coordination_;
  std::unique_ptr<v1::AdminService::Stub> admin_;
};

}  // namespace latchkey
