#include "tools/latchkey/help.h"

#include <algorithm>
#include <cstddef>

#include <CLI/App.hpp>

namespace latchkey::cli {
namespace {

constexpr std::size_t kNamesWidth = 32;
constexpr std::size_t kLineWidth = 100;

// "OUTCOME", where CLI11 says "OUTCOME:{succeeded,rejected}" or "NUMBER:UINT in [1 - 9]".
std::string TypeOf(const CLI::Option* option) {
  const std::string type = option->get_type_name();
  return type.substr(0, std::min({type.find(":{"), type.find(":UINT in"), type.find(":INT in")}));
}

std::string NamesOf(const CLI::Option* option, bool is_positional) {
  std::string names = "  " + option->get_name(is_positional, !is_positional);
  if (option->get_type_size() != 0 && !is_positional) names += " " + TypeOf(option);
  return names;
}

std::string WhatOf(const CLI::Option* option) {
  std::string what = option->get_description();
  if (!option->get_default_str().empty()) what += " [" + option->get_default_str() + "]";
  if (option->get_required()) what += " (required)";
  if (!option->get_envname().empty()) what += " ($" + option->get_envname() + ")";
  return what;
}

}  // namespace

HelpFormatter::HelpFormatter(bool takes_command) : takes_command_(takes_command) {
  column_width(kNamesWidth);
}

std::string HelpFormatter::make_usage(const CLI::App* app, std::string name) const {
  std::string usage = "Usage: " + name;
  for (const CLI::Option* option : app->get_options()) {
    if (option->get_positional()) usage += " " + TypeOf(option);
  }
  usage += " [OPTIONS]";
  if (!app->get_subcommands([](const CLI::App*) { return true; }).empty()) usage += " SUBCOMMAND";
  if (takes_command_) usage += " -- COMMAND [ARGUMENT...]";
  return usage + "\n";
}

// What can be given by a name, too, is shown there.
std::string HelpFormatter::make_positionals(const CLI::App* app) const {
  const auto nameless = app->get_options([](const CLI::Option* option) {
    return option->get_positional() && option->get_lnames().empty();
  });
  return nameless.empty() ? std::string() : make_group("Arguments", true, nameless);
}

std::string HelpFormatter::make_option(const CLI::Option* option, bool is_positional) const {
  std::string text = NamesOf(option, is_positional);
  std::size_t column = text.size();
  if (column + 2 > kNamesWidth) {
    text += "\n";
    column = 0;
  }
  const std::string what = WhatOf(option);
  for (std::size_t at = 0; at < what.size();) {
    const std::size_t end = std::min(what.find(' ', at), what.size());
    const bool first = column < kNamesWidth;
    if (!first && column + 1 + end - at > kLineWidth) {
      text += "\n";
      column = 0;
    }
    const std::size_t blanks = column < kNamesWidth ? kNamesWidth - column : 1;
    text += std::string(blanks, ' ') + what.substr(at, end - at);
    column += blanks + end - at;
    at = end + 1;
  }
  return text + "\n";
}

}  // namespace latchkey::cli
