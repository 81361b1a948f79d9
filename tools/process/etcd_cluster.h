// An etcd cluster that a tool or a test starts: its members, their pauses and their ends.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/process/child_process.h"
#include "tools/process/free_port.h"

namespace latchkey {

// Debian's etcd, or the one that the environment variable LATCHKEY_TEST_ETCD names.
std::string EtcdProgram();

struct EtcdClusterOptions {
  int members = 1;
  // For tests of anything but durability: no member syncs, and elections are quick.
  bool hasty = true;
  // Clients speak TLS; the files are among the arguments. It is not waited for.
  bool tls = false;
  // Added to each member's command.
  std::vector<std::string> arguments = {};
  std::string program = EtcdProgram();
};

// On loopback, on free ports, in a directory of its own, which it does not remove. Its members die
// with the thread that started them. Not thread-safe.
class EtcdCluster {
 public:
  // Starts all members; returns when each answers. UNAVAILABLE with the last line of a member's log
  // where that takes longer than half a minute.
  static absl::StatusOr<std::unique_ptr<EtcdCluster>> Start(const std::string& directory,
                                                            const EtcdClusterOptions& options = {});

  std::size_t size() const { return members_.size(); }
  // HOST:PORT, of one, and of all with commas.
  std::string address(std::size_t member) const;
  std::string addresses() const;
  // "etcd://..." as latchkeyd takes it.
  std::string store_name() const { return "etcd://" + addresses(); }

  ChildProcess& process(std::size_t member) { return *members_[member]->process; }
  // After its end: with the data it has.
  absl::Status Restart(std::size_t member);
  // Until it answers.
  absl::Status Await(std::size_t member) const;

 private:
  struct Member {
    FreePort client_port;
    FreePort peer_port;
    std::unique_ptr<ChildProcess> process;
  };
  EtcdCluster(std::string directory, EtcdClusterOptions options)
      : directory_(std::move(directory)), options_(std::move(options)) {}

  const std::string directory_;
  const EtcdClusterOptions options_;
  std::vector<std::unique_ptr<Member>> members_;
};

}  // namespace latchkey
