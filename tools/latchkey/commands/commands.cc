#include "tools/latchkey/commands/commands.h"

namespace latchkey::cli {

void AddCommands(Cli& cli) {
  AddOnce(cli);
  AddLock(cli);
  AddAcquire(cli);
  AddRenew(cli);
  AddCheck(cli);
  AddRecord(cli);
  AddRelease(cli);
  AddIssueKey(cli);
  AddGet(cli);
  AddList(cli);
  AddWatch(cli);
  AddResolve(cli);
  AddForceRelease(cli);
  AddDelete(cli);
  AddClearRestoreDoubt(cli);
  AddStatus(cli);
  AddBackup(cli);
  AddRestore(cli);
  AddEtcdRestored(cli);
  AddExport(cli);
  AddImport(cli);
  AddCompletion(cli);
}

}  // namespace latchkey::cli
