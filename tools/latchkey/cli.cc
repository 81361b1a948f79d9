#include "tools/latchkey/cli.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>

#include "tools/latchkey/help.h"
#include <CLI/Config.hpp>
#include <CLI/Validators.hpp>

namespace latchkey::cli {
namespace {

std::string Footer() {
  std::string text =
      "Connection options may stand before or after the subcommand.\n\nExit codes:\n";
  Table table({{"", Align::kRight}, {""}});
  for (const auto& [code, meaning] : kExitMeanings) {
    table.Add({"  " + std::to_string(code), meaning});
  }
  return text + table.Text(false) +
         "`once` and `lock` also end with what their command ended with.\n"
         "\"latchkey SUBCOMMAND --help\" has examples.";
}

bool ColorsOn(const std::string& wanted) {
  if (wanted != "auto") return wanted == "always";
  const char* terminal = std::getenv("TERM");
  const char* none = std::getenv("NO_COLOR");
  return isatty(STDOUT_FILENO) != 0 && (none == nullptr || *none == '\0') && terminal != nullptr &&
         std::strcmp(terminal, "dumb") != 0;
}

void AddConnectionOptions(CLI::App& app, ConnectionOptions& connection,
                          std::optional<std::chrono::nanoseconds>& timeout) {
  const auto text = [&app](const char* name, const char* variable, std::string& value,
                           const char* type, const char* help) {
    app.add_option(name, value, help)->envname(variable)->type_name(type)->group("Connection");
  };
  text("--address", "LATCHKEY_ADDRESS", connection.address, "HOST:PORT",
       "where the service is, or its servers: HOST:PORT,HOST:PORT [localhost:7420]");
  text("-n,--namespace", "LATCHKEY_NAMESPACE", connection.key_namespace, "NAME",
       "where the keys live [default]");
  AddDuration(app, "--timeout", timeout,
              "for how long to go on asking while the service does not answer [15s]")
      ->envname("LATCHKEY_TIMEOUT")
      ->group("Connection");
  text("--token-file", "LATCHKEY_TOKEN_FILE", connection.token_file, "FILE",
       "where the bearer token is; LATCHKEY_TOKEN may hold the token itself");
  text("--tls-ca", "LATCHKEY_TLS_CA", connection.tls_ca, "FILE",
       "encrypt, and trust the authorities in this PEM file");
  text("--tls-cert", "LATCHKEY_TLS_CERT", connection.tls_cert, "FILE",
       "the certificate to show, PEM");
  text("--tls-key", "LATCHKEY_TLS_KEY", connection.tls_key, "FILE", "its key, PEM");
  text("--tls-server-name", "LATCHKEY_TLS_SERVER_NAME", connection.tls_server_name, "NAME",
       "the name in the service's certificate, where it is not the host's");
  app.add_flag("--tls", connection.tls, "encrypt, and trust this machine's authorities")
      ->envname("LATCHKEY_TLS")
      ->group("Connection");
}

}  // namespace

Cli::Cli() : app_("latchkey: does work once. Locks, idempotency keys and results from the shell.") {
  app_.name("latchkey");
  app_.set_version_flag("--version", "latchkey " LATCHKEY_VERSION);
  app_.require_subcommand(1);
  app_.formatter(std::make_shared<HelpFormatter>(false));
  app_.footer(Footer());
  app_.add_option("-o,--output", format_, "table, for people, or json, a document a line [table]")
      ->check(CLI::IsMember({"table", "json"}))
      ->envname("LATCHKEY_OUTPUT")
      ->type_name("FORMAT");
  app_.add_option("--color", color_, "auto, always or never [auto: on a terminal]")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->type_name("WHEN");
}

CLI::App& Cli::Add(const std::string& name, const std::string& what, const std::string& example,
                   Run run, bool takes_command) {
  CLI::App* sub = app_.add_subcommand(name, what);
  sub->fallthrough();
  sub->footer("Example:\n" + example);
  if (takes_command) sub->formatter(std::make_shared<HelpFormatter>(true));
  subcommands_.push_back({sub, std::move(run), takes_command});
  return *sub;
}

int Cli::Wrong(const std::string& what) const {
  std::string name = "latchkey";
  for (const CLI::App* sub : app_.get_subcommands()) name += " " + sub->get_name();
  Note(what + "; see " + name + " --help");
  return kUsage;
}

int Cli::Main(int argc, char** argv) {
  std::optional<std::chrono::nanoseconds> timeout;
  AddConnectionOptions(app_, connection_, timeout);
  // The command is none of CLI11's business: it may have options that look like ours.
  char** const end = argv + argc;
  char** const dashes = std::find_if(argv, end, [](char* a) { return std::strcmp(a, "--") == 0; });
  if (dashes != end) command_.assign(dashes + 1, end);
  try {
    app_.parse(static_cast<int>(dashes - argv), argv);
  } catch (const CLI::CallForHelp&) {
    Output(Format::kTable, false).Text(app_.help());
    return kDone;
  } catch (const CLI::CallForVersion&) {
    Output(Format::kTable, false).Text(app_.version() + "\n");
    return kDone;
  } catch (const CLI::ParseError& error) {
    return Wrong(error.what());
  }
  if (timeout) connection_.timeout = *timeout;
  if (const char* token = std::getenv("LATCHKEY_TOKEN"); token != nullptr) {
    connection_.token = token;
  }
  const auto chosen = std::find_if(subcommands_.begin(), subcommands_.end(),
                                   [](const Subcommand& sub) { return sub.app->parsed(); });
  if (chosen->takes_command && command_.empty()) {
    return Wrong("no command is given; write it after --");
  }
  if (!chosen->takes_command && dashes != end) {
    return Wrong("this subcommand takes no command after --");
  }
  if (const std::string wrong = WrongWith(connection_); !wrong.empty()) return Wrong(wrong);
  Session session{
      .connection = connection_,
      .output = Output(format_ == "json" ? Format::kJson : Format::kTable, ColorsOn(color_)),
      .command = command_,
      .app = &app_};
  const int code = chosen->run(session);
  if (std::ferror(stdout) == 0) return code;
  Note("the standard output cannot be written");
  return code == kDone ? kFailed : code;
}

}  // namespace latchkey::cli
