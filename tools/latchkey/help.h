// How help looks.
#pragma once

#include <string>
#include <vector>

#include <CLI/Formatter.hpp>

namespace latchkey::cli {

// Lines that fit a terminal, without what only a parser needs to know.
class HelpFormatter final : public CLI::Formatter {
 public:
  explicit HelpFormatter(bool takes_command);

  std::string make_usage(const CLI::App* app, std::string name) const override;
  std::string make_positionals(const CLI::App* app) const override;
  std::string make_option(const CLI::Option* option, bool is_positional) const override;

 private:
  bool takes_command_;
};

}  // namespace latchkey::cli
