// Where an etcd cluster is and how to speak to it.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/time.h"

namespace latchkey::storage {

struct EtcdOptions {
  // HOST:PORT of each member that may be asked; at least one.
  std::vector<std::string> endpoints = {};
  // All that is stored lies under PREFIX/. One deployment, one prefix.
  std::string prefix = "latchkey";

  // PEM texts. `ca` empty: no TLS. A client certificate comes with its key, or not at all.
  std::string ca = {};
  std::string certificate = {};
  std::string key = {};
  // Empty: no user.
  std::string user = {};
  std::string password = {};

  // How long one request may take before its outcome is unknown.
  Duration request_timeout = std::chrono::milliseconds(2'000);
  // How long a read is tried, at whatever member answers.
  Duration read_patience = std::chrono::seconds(5);
  // What etcd's quota is set to, which its API does not say; 2 GiB is its default.
  std::uint64_t quota_bytes = std::uint64_t{2} << 30;
  // Revisions older than this are given up; zero: that is left to etcd's own settings.
  Duration compact_after = std::chrono::minutes(5);
};

// "etcd://HOST:PORT,HOST:PORT/PREFIX"; the prefix may be left out. INVALID_ARGUMENT with what is
// wrong.
absl::StatusOr<EtcdOptions> ParseEtcdAddress(const std::string& address);

}  // namespace latchkey::storage
