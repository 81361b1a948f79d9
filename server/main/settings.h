// What an operator can set, each under one name: the flag --listen-address, the environment
// variable LATCHKEY_LISTEN_ADDRESS and the key listen_address of the config file are the same
// setting. A flag beats the environment, which beats the file.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>

#include "absl/status/statusor.h"
#include "server/service/server.h"
#include "server/service/server_tls.h"
#include "storage/etcd/etcd_files.h"

namespace latchkey {

// How to speak to etcd, where it is the store.
struct EtcdSettings {
  storage::EtcdFiles files;
  std::optional<std::uint64_t> quota_bytes;
};

struct Settings {
  ServerOptions server;
  // "rocksdb:DIRECTORY", "etcd://HOST:PORT,..." or "memory:".
  std::string store = "rocksdb:/var/lib/latchkey";
  EtcdSettings etcd;
  // Where /metrics, /healthz and /readyz are; empty: nowhere.
  std::string metrics_address;
  Duration drain_timeout = std::chrono::seconds(10);
  std::string log_level = "info";
  // Writes keys into log lines in place of their hashes.
  bool log_keys = false;
  // Empty: everybody may do everything.
  std::string access_file;
  // `certificate` empty: no TLS.
  TlsFiles tls;
  bool insecure_listen = false;
  // What was given, but for the tables of namespaces: the settings by name, in their own words.
  std::map<std::string, std::string> given;
};

// Whether a reload of the settings changes it; the others need a restart.
bool IsReloadable(const std::string& setting);

// What the command line asks for: to run with these settings, or to print a text and end well.
using CommandLine = std::variant<Settings, std::string>;

// INVALID_ARGUMENT with one line that names the flag, variable or line of the file that is wrong.
absl::StatusOr<CommandLine> ReadSettings(int argc, const char* const* argv);

// "30s", "72h", "1h30m", "90d", "500ms"; never negative.
absl::StatusOr<Duration> ParseDuration(const std::string& text);

}  // namespace latchkey
