// The command line of Latchkey.

#include <cstdlib>

#include "tools/latchkey/cli.h"
#include "tools/latchkey/commands/commands.h"
#include <grpc/support/log.h>

int main(int argc, char** argv) {
  // What gRPC has to say of a failure is in the one line about the call. Whoever wants more asks.
  if (std::getenv("GRPC_VERBOSITY") == nullptr) gpr_set_log_function([](gpr_log_func_args*) {});
  latchkey::cli::Cli cli;
  latchkey::cli::AddCommands(cli);
  return cli.Main(argc, argv);
}
