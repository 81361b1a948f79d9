// The command line of Latchkey.

#include "tools/latchkey/cli.h"
#include "tools/latchkey/commands/commands.h"

int main(int argc, char** argv) {
  latchkey::cli::Cli cli;
  latchkey::cli::AddCommands(cli);
  return cli.Main(argc, argv);
}
