// Scripts that let a shell complete our command line. They are made from it, so that they know all
// of it.

#include <memory>
#include <string>

#include "absl/strings/str_join.h"
#include "tools/latchkey/commands/commands.h"
#include <CLI/Validators.hpp>

namespace latchkey::cli {
namespace {

// The options of one command, as `--key --wait ...`.
std::string OptionsOf(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return absl::StrJoin(names, " ");
}

// What options with a fixed set of values take; lines of a `case`.
constexpr char kValues[] = R"(    --output|-o) words="table json" ;;
    --color) words="auto always never" ;;
    --state) words="held in-doubt completed" ;;
    --on-lapse) words="in-doubt forget forget-unless-started" ;;
    --if-in-doubt) words="fail rerun" ;;
    --effect) words="not-executed unknown run-not-executed" ;;
    --outcome) words="succeeded rejected not-executed" ;;
    --token-file|--tls-ca|--tls-cert|--tls-key|--payload-file|--backup|--to|--file)
      COMPREPLY=($(compgen -f -- "$current"))
      return ;;
)";

std::string BashScript(const CLI::App& app) {
  std::vector<std::string> names;
  std::string cases;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(sub->get_name());
    cases += "      " + sub->get_name() + ") words=\"" + OptionsOf(*sub) + " $global\" ;;\n";
  }
  return R"(# Completes latchkey in bash: source <(latchkey completion bash)
_latchkey() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
  local global=")" +
         OptionsOf(app) + R"(" subcommand="" words="" at
  # "--name=value" comes as three words.
  if [[ $current == "=" ]]; then current=""; fi
  if [[ $previous == "=" ]]; then previous=${COMP_WORDS[COMP_CWORD-2]}; fi
  for ((at = 1; at < COMP_CWORD; ++at)); do
    case ${COMP_WORDS[at]} in
    --)
      # What comes now is a command of its own.
      if declare -F _command_offset >/dev/null; then
        _command_offset $((at + 1))
      else
        COMPREPLY=($(compgen -c -f -- "$current"))
      fi
      return ;;
    )" + absl::StrJoin(names, "|") +
         R"() if [[ -z $subcommand ]]; then subcommand=${COMP_WORDS[at]}; fi ;;
    esac
  done
  case $previous in
)" + kValues +
         R"(  esac
  if [[ -z $words ]]; then
    case $subcommand in
      "") words=")" +
         absl::StrJoin(names, " ") + R"( $global" ;;
)" + cases +
         R"(    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _latchkey latchkey
)";
}

}  // namespace

void AddCompletion(Cli& cli) {
  const auto shell = std::make_shared<std::string>();
  CLI::App& sub =
      cli.Add("completion", "Print what lets a shell complete this command line",
              "  latchkey completion bash >/usr/share/bash-completion/completions/latchkey\n"
              "  source <(latchkey completion bash)   # in this shell only; zsh works the same way",
              [shell](Session& session) -> int {
                if (*shell == "zsh")
                  session.output.Text("autoload -U +X bashcompinit && bashcompinit\n");
                session.output.Text(BashScript(*session.app));
                return kDone;
              });
  sub.add_option("shell", *shell, "bash or zsh")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh"}))
      ->type_name("SHELL");
}

}  // namespace latchkey::cli
