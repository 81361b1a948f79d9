#include "server/main/settings.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <functional>
#include <map>
#include <vector>

#include "absl/time/time.h"
#include "latchkey/v1/coordination.pb.h"
#include "server/machine/request_checks.h"
#include "server/main/access_file.h"
#include "server/main/one_line.h"
#include "storage/etcd/etcd_options.h"
#include <CLI/CLI.hpp>
#include <toml++/toml.h>

namespace latchkey {
namespace {

constexpr char kNamespacesTable[] = "namespaces";
constexpr char kOtherNamespaces[] = "*";

// A message repeats what stands in the file, which may be anything.
absl::Status Wrong(const std::string& where, const std::string& what) {
  return absl::InvalidArgumentError(OnOneLine(where + ": " + what));
}

absl::StatusOr<std::uint64_t> ParseNumber(const std::string& text, std::uint64_t least,
                                          std::uint64_t most) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < least || number > most) {
    return absl::InvalidArgumentError("\"" + text + "\" is not a whole number from " +
                                      std::to_string(least) + " to " + std::to_string(most));
  }
  return number;
}

absl::StatusOr<bool> ParseBool(const std::string& text) {
  if (text == "true") return true;
  if (text == "false") return false;
  return absl::InvalidArgumentError("\"" + text + "\" is neither true nor false");
}

// Sets `out` if the text could be parsed.
template <class Value, class Out>
absl::Status Assign(absl::StatusOr<Value> value, Out& out) {
  if (!value.ok()) return value.status();
  out = static_cast<Out>(*value);
  return absl::OkStatus();
}

struct Setting {
  std::string name;  // as in the file; the flag has dashes, the variable capitals
  std::string help;
  std::function<absl::Status(const std::string& value, Settings& settings)> set;
  bool is_switch = false;  // the flag alone means true
};

absl::Status SetStore(const std::string& value, Settings& settings) {
  if (value.starts_with("etcd:")) {
    if (auto parsed = storage::ParseEtcdAddress(value); !parsed.ok()) return parsed.status();
  } else if (value != "memory:" && (!value.starts_with("rocksdb:") || value == "rocksdb:")) {
    return absl::InvalidArgumentError(
        "\"" + value +
        "\" names no store; say rocksdb:DIRECTORY, etcd://HOST:PORT,HOST:PORT or memory:");
  }
  settings.store = value;
  return absl::OkStatus();
}

absl::Status SetMetricsAddress(const std::string& value, Settings& settings) {
  if (value.empty()) {
    return absl::InvalidArgumentError("\"\" is no address; write HOST:PORT, or off");
  }
  settings.metrics_address = value == "off" ? "" : value;
  return absl::OkStatus();
}

absl::Status SetBackupDirectory(const std::string& value, Settings& settings) {
  if (!value.empty() && !value.starts_with('/')) {
    return absl::InvalidArgumentError("\"" + value + "\" is no absolute path");
  }
  settings.server.backup_directory = value;
  return absl::OkStatus();
}

absl::Status SetLogLevel(const std::string& value, Settings& settings) {
  for (const char* level : {"debug", "info", "warn", "error"}) {
    if (value == level) {
      settings.log_level = value;
      return absl::OkStatus();
    }
  }
  return absl::InvalidArgumentError("\"" + value + "\" is none of debug, info, warn, error");
}

absl::Status SetLeaseDurationMax(const std::string& value, NamespaceSettings& settings) {
  auto duration = ParseDuration(value);
  const Limits limits;
  if (duration.ok() &&
      (*duration < limits.lease_duration_min || *duration > limits.lease_duration_max)) {
    return absl::InvalidArgumentError("\"" + value + "\" is not from 100ms to 15m");
  }
  return Assign(std::move(duration), settings.lease_duration_max);
}

// The settings that every namespace has; in the file they stand in [namespaces.NAME].
struct NamespaceSetting {
  const char* help;
  std::function<absl::Status(const std::string&, NamespaceSettings&)> set;
};

const std::map<std::string, NamespaceSetting>& NamespaceSettingsByName() {
  using N = NamespaceSettings;
  static const std::map<std::string, NamespaceSetting> settings = {
      {"payload_retention",
       {"how long a result's payload is kept, at most as long as the key [72h]",
        [](const std::string& v, N& n) { return Assign(ParseDuration(v), n.payload_retention); }}},
      {"key_retention",
       {"how long a completed key is remembered [90d]",
        [](const std::string& v, N& n) { return Assign(ParseDuration(v), n.key_retention); }}},
      {"downstream_key_ttl",
       {"how long the provider deduplicates; 0: it does not [0]",
        [](const std::string& v, N& n) { return Assign(ParseDuration(v), n.downstream_key_ttl); }}},
      {"lease_duration_max", {"longest lease, 100ms to 15m [15m]", SetLeaseDurationMax}},
      {"live_records_max",
       {"most records that are held or in doubt [1000000]",
        [](const std::string& v, N& n) {
          return Assign(ParseNumber(v, 1, UINT64_MAX), n.live_records_max);
        }}},
      {"stored_bytes_max",
       {"most bytes on the disk, results included; 0: no such quota [0]",
        [](const std::string& v, N& n) {
          return Assign(ParseNumber(v, 0, UINT64_MAX), n.stored_bytes_max);
        }}},
      {"new_keys_per_second_max",
       {"most grants on absent keys a second; 0: no such quota [0]",
        [](const std::string& v, N& n) {
          return Assign(ParseNumber(v, 0, 1'000'000'000), n.new_keys_per_second_max);
        }}},
      {"waiters_max",
       {"most calls that wait, on all its keys; 0: no such quota [0]",
        [](const std::string& v, N& n) {
          return Assign(ParseNumber(v, 0, UINT64_MAX), n.waiters_max);
        }}},
  };
  return settings;
}

// Namespaces are collected here, and built when all are known.
struct Draft {
  Settings settings;
  NamespaceSettings others;
  std::map<std::string, std::map<std::string, std::string>> named;
};

absl::Status SetText(const std::string& value, std::string& out) {
  if (value.empty()) return absl::InvalidArgumentError("the value is empty");
  out = value;
  return absl::OkStatus();
}

std::vector<Setting> CredentialSettings() {
  using S = Settings;
  return {
      {"access_file", "who may do what; without it everybody may do everything",
       [](const std::string& v, S& s) { return SetText(v, s.access_file); }},
      {"tls_certificate", "PEM file with the server's certificate, and its chain",
       [](const std::string& v, S& s) { return SetText(v, s.tls.certificate); }},
      {"tls_key", "PEM file with its private key",
       [](const std::string& v, S& s) { return SetText(v, s.tls.key); }},
      {"tls_client_ca", "PEM file with the authorities of callers' certificates",
       [](const std::string& v, S& s) { return SetText(v, s.tls.client_ca); }},
      {"insecure_listen", "listen beyond loopback also without access file or TLS",
       [](const std::string& v, S& s) { return Assign(ParseBool(v), s.insecure_listen); }, true},
  };
}

std::vector<Setting> EtcdSettingsList() {
  using S = Settings;
  return {
      {"etcd_ca", "PEM file with the authorities of etcd's certificates; without it no TLS",
       [](const std::string& v, S& s) { return SetText(v, s.etcd.files.ca); }},
      {"etcd_certificate", "PEM file with the certificate shown to etcd",
       [](const std::string& v, S& s) { return SetText(v, s.etcd.files.certificate); }},
      {"etcd_key", "PEM file with its private key",
       [](const std::string& v, S& s) { return SetText(v, s.etcd.files.key); }},
      {"etcd_user", "user of etcd, with etcd_password_file",
       [](const std::string& v, S& s) { return SetText(v, s.etcd.files.user); }},
      {"etcd_password_file", "file with that user's password",
       [](const std::string& v, S& s) { return SetText(v, s.etcd.files.password_file); }},
      {"etcd_quota_bytes", "what etcd's quota-backend-bytes is [2147483648]",
       [](const std::string& v, S& s) {
         return Assign(ParseNumber(v, 1, UINT64_MAX), s.etcd.quota_bytes.emplace());
       }},
  };
}

std::vector<Setting> MakeSettings(Draft& draft) {
  using S = Settings;
  std::vector<Setting> all = {
      {"listen_address", "host and port to serve on; port 0 takes a free one [127.0.0.1:7420]",
       [](const std::string& v, S& s) {
         s.server.listen_address = v;
         return absl::OkStatus();
       }},
      {"metrics_address",
       "host and port of /metrics, /healthz and /readyz over HTTP, or off; port 0 takes a free one "
       "[off]",
       SetMetricsAddress},
      {"store",
       "rocksdb:DIRECTORY, etcd://HOST:PORT,HOST:PORT/PREFIX, or memory: for trials "
       "[rocksdb:/var/lib/latchkey]",
       SetStore},
      {"partitions", "threads that decide; 1 to 64 [2]",
       [](const std::string& v, S& s) {
         return Assign(ParseNumber(v, 1, 64), s.server.partitions);
       }},
      {"payload_bytes_max", "largest payload that is kept, at most 1048576 [65536]",
       [](const std::string& v, S& s) {
         return Assign(ParseNumber(v, 0, kPayloadBytesMax), s.server.limits.payload_bytes);
       }},
      {"waiters_per_key_max", "most calls that wait for one key, at most 100000 [1024]",
       [](const std::string& v, S& s) {
         return Assign(ParseNumber(v, 0, kWaitersPerKeyMax), s.server.limits.waiters_per_key);
       }},
      {"storage_reserve_bytes",
       "new records are refused below so much free space [5% of the file system, at most 256 MiB]",
       [](const std::string& v, S& s) {
         return Assign(ParseNumber(v, 0, UINT64_MAX), s.server.storage_reserve_bytes.emplace());
       }},
      {"backup_directory",
       "where backups go, an absolute path; without it CreateBackup is refused [none]",
       SetBackupDirectory},
      {"drain_timeout", "how long calls in flight may take at shutdown [10s]",
       [](const std::string& v, S& s) { return Assign(ParseDuration(v), s.drain_timeout); }},
      {"accept_clock_step", "follow a forward step of the wall clock at once",
       [](const std::string& v, S& s) { return Assign(ParseBool(v), s.server.accept_clock_step); },
       true},
      {"log_level", "debug, info, warn or error [info]", SetLogLevel},
      {"log_keys", "write keys into the log, not their hashes",
       [](const std::string& v, S& s) { return Assign(ParseBool(v), s.log_keys); }, true},
  };
  for (Setting& setting : EtcdSettingsList()) all.push_back(std::move(setting));
  for (Setting& setting : CredentialSettings()) all.push_back(std::move(setting));
  for (const auto& [name, setting] : NamespaceSettingsByName()) {
    all.push_back(
        {name, std::string(setting.help) + "; of namespaces that the file does not name",
         [&draft, set = setting.set](const std::string& v, S&) { return set(v, draft.others); }});
  }
  return all;
}

std::string FlagName(const Setting& setting) {
  std::string flag = "--" + setting.name;
  for (char& c : flag) c = c == '_' ? '-' : c;
  return flag;
}

std::string VariableName(const Setting& setting) {
  std::string variable = "LATCHKEY_" + setting.name;
  for (char& c : variable) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return variable;
}

absl::Status Apply(const Setting& setting, const std::string& value, const std::string& where,
                   Draft& draft) {
  if (auto set = setting.set(value, draft.settings); !set.ok()) {
    return Wrong(where, std::string(set.message()));
  }
  draft.settings.given[setting.name] = value;
  return absl::OkStatus();
}

std::string LineOf(const std::string& path, const toml::node& node) {
  return path + ":" + std::to_string(node.source().begin.line);
}

// A value of any plain type, as it would be written on the command line.
absl::StatusOr<std::string> TextOf(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return std::to_string(number->get());
  if (const auto* truth = node.as_boolean()) return std::string(truth->get() ? "true" : "false");
  return absl::InvalidArgumentError("the value must be a text, a whole number, true or false");
}

// A name that no request can have would be settings for nobody.
absl::Status CheckName(const std::string& name_space) {
  if (name_space == kOtherNamespaces) return absl::OkStatus();
  if (name_space.empty()) return absl::InvalidArgumentError("the name is empty");
  const Limits limits;
  const NamespaceSettings settings;
  v1::IssueKeyRequest request;
  request.set_namespace_(name_space);
  const auto refusal = CheckRequest(request, {&limits, &settings, {}});
  return refusal.has_value() ? absl::InvalidArgumentError(refusal->message) : absl::OkStatus();
}

absl::Status ReadNamespaces(const toml::node& node, const std::string& path, Draft& draft) {
  if (!node.is_table()) {
    return Wrong(LineOf(path, node), "write namespaces as tables: [namespaces.NAME]");
  }
  for (const auto& [name, settings] : *node.as_table()) {
    const std::string name_space(name.str());
    if (!settings.is_table()) {
      return Wrong(LineOf(path, settings), "write namespaces as tables: [namespaces.NAME]");
    }
    if (auto good = CheckName(name_space); !good.ok()) {
      return Wrong(LineOf(path, settings),
                   "namespace \"" + name_space + "\": " + std::string(good.message()));
    }
    draft.named[name_space];
    for (const auto& [key, value] : *settings.as_table()) {
      const auto setting = NamespaceSettingsByName().find(std::string(key.str()));
      if (setting == NamespaceSettingsByName().end()) {
        return Wrong(LineOf(path, value),
                     "a namespace has no setting \"" + std::string(key.str()) + "\"");
      }
      auto text = TextOf(value);
      NamespaceSettings scratch;
      auto set = text.ok() ? setting->second.set(*text, scratch) : text.status();
      if (!set.ok()) {
        return Wrong(LineOf(path, value), setting->first + ": " + std::string(set.message()));
      }
      draft.named[name_space][setting->first] = *text;
    }
  }
  return absl::OkStatus();
}

absl::Status ReadFile(const std::string& path, const std::vector<Setting>& all, Draft& draft) {
  toml::table file;
  try {
    file = toml::parse_file(path);
  } catch (const toml::parse_error& error) {
    const auto line = error.source().begin.line;
    return Wrong(line > 0 ? path + ":" + std::to_string(line) : path,
                 std::string(error.description()));
  }
  for (const auto& [key, value] : file) {
    const std::string name(key.str());
    if (name == kNamespacesTable) {
      if (auto read = ReadNamespaces(value, path, draft); !read.ok()) return read;
      continue;
    }
    const auto found =
        std::find_if(all.begin(), all.end(), [&](const Setting& s) { return s.name == name; });
    if (found == all.end())
      return Wrong(LineOf(path, value), "there is no setting \"" + name + "\"");
    auto text = TextOf(value);
    if (!text.ok())
      return Wrong(LineOf(path, value), name + ": " + std::string(text.status().message()));
    if (auto set = Apply(*found, *text, LineOf(path, value) + ": " + name, draft); !set.ok())
      return set;
  }
  return absl::OkStatus();
}

// A payload goes with its key at the latest, as one does for which the caller asks for longer.
NamespaceSettings Clamped(NamespaceSettings settings) {
  settings.payload_retention = std::min(settings.payload_retention, settings.key_retention);
  return settings;
}

// A named namespace begins with the settings of all others.
Namespaces BuildNamespaces(const Draft& draft) {
  NamespaceSettings others = draft.others;
  std::map<std::string, NamespaceSettings, std::less<>> named;
  const auto apply = [](const std::map<std::string, std::string>& values, NamespaceSettings& out) {
    for (const auto& [key, value] : values) (void)NamespaceSettingsByName().at(key).set(value, out);
  };
  if (const auto all = draft.named.find(kOtherNamespaces); all != draft.named.end()) {
    apply(all->second, others);
  }
  for (const auto& [name, values] : draft.named) {
    if (name == kOtherNamespaces) continue;
    NamespaceSettings settings = others;
    apply(values, settings);
    named[name] = Clamped(settings);
  }
  return {Clamped(others), std::move(named)};
}

}  // namespace

absl::StatusOr<Duration> ParseDuration(const std::string& text) {
  const auto wrong = [&] {
    return absl::InvalidArgumentError("\"" + text +
                                      "\" is no duration; write 500ms, 30s, 72h or 90d");
  };
  if (text.ends_with('d')) {
    const auto days = ParseNumber(text.substr(0, text.size() - 1), 0, 36'500);
    if (!days.ok()) return wrong();
    return std::chrono::hours(24 * static_cast<std::int64_t>(*days));
  }
  absl::Duration parsed;
  if (!absl::ParseDuration(text, &parsed) || parsed < absl::ZeroDuration() ||
      parsed > absl::Hours(24 * 36'500)) {
    return wrong();
  }
  return absl::ToChronoNanoseconds(parsed);
}

bool IsReloadable(const std::string& setting) {
  return setting == "log_level" || NamespaceSettingsByName().contains(setting);
}

absl::StatusOr<CommandLine> ReadSettings(int argc, const char* const* argv) {
  Draft draft;
  draft.settings.server.listen_address = "127.0.0.1:7420";
  const std::vector<Setting> all = MakeSettings(draft);
  CLI::App app("latchkeyd: does work once. Locks, idempotency keys and results, one record each.",
               "latchkeyd");
  app.set_version_flag("--version", "latchkeyd " LATCHKEY_VERSION);
  app.footer(
      "Every flag can also be set in the environment (--log-level as LATCHKEY_LOG_LEVEL) and in "
      "the\n"
      "config file (log_level = \"debug\"); a flag beats the environment, which beats the file.\n"
      "Exit codes: 0 ended as asked, 2 wrong settings or cannot start, 3 the store failed.");
  std::string config;
  app.add_option("--config", config, "TOML file with settings and [namespaces.NAME] tables");
  std::string new_token;
  app.add_option("--new-token", new_token,
                 "prints a new bearer token and its line for the access file, and ends; write "
                 "\"NAME NAMESPACE=ROLE...\"");
  std::map<std::string, std::string> flags;
  for (const Setting& setting : all) {
    auto* flag = app.add_option(FlagName(setting), flags[setting.name], setting.help);
    if (setting.is_switch) flag->expected(0, 1)->type_name("[true|false]");
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return CommandLine(app.help());
  } catch (const CLI::CallForVersion&) {
    return CommandLine(app.version() + "\n");
  } catch (const CLI::ParseError& error) {
    return absl::InvalidArgumentError(std::string(error.what()) + "; see latchkeyd --help");
  }
  if (app.count("--new-token") > 0) return MintToken(new_token);
  if (const char* variable = std::getenv("LATCHKEY_CONFIG");
      config.empty() && variable != nullptr) {
    config = variable;
  }
  if (!config.empty()) {
    if (auto read = ReadFile(config, all, draft); !read.ok()) return read;
  }
  for (const Setting& setting : all) {
    const char* variable = std::getenv(VariableName(setting).c_str());
    const bool has_flag = app.count(FlagName(setting)) > 0;
    if (!has_flag && variable == nullptr) continue;
    const std::string where = has_flag ? FlagName(setting) : VariableName(setting);
    std::string value = has_flag ? flags[setting.name] : variable;
    if (has_flag && setting.is_switch && value.empty()) value = "true";
    if (auto set = Apply(setting, value, where, draft); !set.ok()) return set;
  }
  draft.settings.server.store_name = draft.settings.store;
  draft.settings.server.namespaces = BuildNamespaces(draft);
  return CommandLine(std::move(draft.settings));
}

}  // namespace latchkey
