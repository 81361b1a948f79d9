// Options that several subcommands have.

#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>

#include "tools/latchkey/cli.h"
#include "tools/latchkey/durations.h"
#include <CLI/Error.hpp>
#include <CLI/Validators.hpp>

namespace latchkey::cli {

void AddKey(CLI::App& sub, std::string& key) {
  sub.add_option("-k,--key,key", key, "the key")->required()->type_name("KEY");
}

CLI::Option* AddDuration(CLI::App& sub, const std::string& name,
                         std::optional<std::chrono::nanoseconds>& value, const std::string& help) {
  return sub
      .add_option_function<std::string>(
          name,
          [name, &value](const std::string& text) {
            value = ParseDuration(text);
            if (!value) {
              throw CLI::ValidationError(
                  name, "\"" + text + "\" is no duration; write 500ms, 30s, 5m, 72h or 90d");
            }
          },
          help)
      ->type_name("DURATION");
}

CLI::Option* AddTime(CLI::App& sub, const std::string& name,
                     std::optional<std::chrono::system_clock::time_point>& value,
                     const std::string& help) {
  return sub
      .add_option_function<std::string>(
          name,
          [name, &value](const std::string& text) {
            value = ParseTime(text);
            if (!value) {
              throw CLI::ValidationError(
                  name,
                  "\"" + text + "\" is no time; write 2026-01-31T12:00:00Z, or seconds since 1970");
            }
          },
          help)
      ->type_name("TIME");
}

void AddPayload(CLI::App& sub, PayloadOptions& payload) {
  auto* text = sub.add_option("--payload", payload.text, "the body to replay")->type_name("TEXT");
  sub.add_option("--payload-file", payload.file, "the file with it; - reads the standard input")
      ->type_name("FILE")
      ->excludes(text);
  sub.add_option("--content-type", payload.content_type, "media type of the body")
      ->type_name("TYPE");
}

std::optional<std::string> ReadPayload(const PayloadOptions& payload) {
  if (payload.file.empty()) return payload.text;
  using Bytes = std::istreambuf_iterator<char>;
  if (payload.file == "-") return std::string(Bytes(std::cin), Bytes());
  std::ifstream file(payload.file, std::ios::binary);
  std::string bytes(Bytes(file), {});
  if (!file.is_open() || file.bad()) {
    Note("--payload-file: " + payload.file + " cannot be read");
    return std::nullopt;
  }
  return bytes;
}

void AddToken(CLI::App& sub, std::uint64_t& token) {
  sub.add_option("--token", token, "the grant's fencing token")
      ->required()
      ->check(CLI::Range(std::uint64_t{1}, UINT64_MAX))
      ->type_name("NUMBER");
}

void AddAudit(CLI::App& sub, AuditOptions& audit) {
  sub.add_option("--reason", audit.reason, "why; stored with the record")
      ->required()
      ->type_name("TEXT");
  sub.add_option("--actor", audit.actor, "who decides; stored with the record")
      ->type_name("NAME")
      ->capture_default_str();
}

}  // namespace latchkey::cli
