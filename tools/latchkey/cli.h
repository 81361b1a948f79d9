// The command line: what all subcommands share. A subcommand is a file in commands/ with one
// function that adds it here.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tools/latchkey/connection.h"
#include "tools/latchkey/output.h"
#include "tools/latchkey/service.h"
#include <CLI/App.hpp>

namespace latchkey::cli {

// What a subcommand runs with.
struct Session {
  ConnectionOptions connection;
  Output output;
  // What stands after the first "--".
  std::vector<std::string> command;
  // The whole command line, for `completion`.
  const CLI::App* app;
};

// Runs a subcommand and gives the code to end with.
using Run = std::function<int(Session&)>;

class Cli {
 public:
  Cli();

  // A new subcommand. `example` is shown below its help: whole lines.
  CLI::App& Add(const std::string& name, const std::string& what, const std::string& example,
                Run run, bool takes_command = false);

  // Parses and runs; gives the code to end with. Whatever is wrong is one line.
  int Main(int argc, char** argv);

 private:
  struct Subcommand {
    CLI::App* app;
    Run run;
    bool takes_command;
  };

  int Wrong(const std::string& what) const;

  CLI::App app_;
  std::vector<Subcommand> subcommands_;
  ConnectionOptions connection_;
  std::string format_ = "table";
  std::string color_ = "auto";
  std::vector<std::string> command_;
};

// Options that several subcommands have. What is set must outlive the parsing.

// --key KEY, or KEY alone. Required.
void AddKey(CLI::App& sub, std::string& key);
// As --NAME, in the words of ParseDuration.
CLI::Option* AddDuration(CLI::App& sub, const std::string& name,
                         std::optional<std::chrono::nanoseconds>& value, const std::string& help);
// As --NAME, in the words of ParseTime.
CLI::Option* AddTime(CLI::App& sub, const std::string& name,
                     std::optional<std::chrono::system_clock::time_point>& value,
                     const std::string& help);
// --payload TEXT and --payload-file FILE ("-": the standard input).
struct PayloadOptions {
  std::string text = {};
  std::string file = {};
  std::string content_type = {};
};
void AddPayload(CLI::App& sub, PayloadOptions& payload);
// The bytes; empty and a line on the standard error where they cannot be read.
std::optional<std::string> ReadPayload(const PayloadOptions& payload);

// --token NUMBER, of the grant. Required.
void AddToken(CLI::App& sub, std::uint64_t& token);

// What an admin call that changes something says of itself.
struct AuditOptions {
  std::string actor = UserAtHost();
  std::string reason = {};
};
void AddAudit(CLI::App& sub, AuditOptions& audit);

}  // namespace latchkey::cli
