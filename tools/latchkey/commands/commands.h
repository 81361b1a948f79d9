// The subcommands: each adds itself to the command line.
#pragma once

#include "tools/latchkey/cli.h"

namespace latchkey::cli {

// All of them, in the order of the help.
void AddCommands(Cli& cli);

void AddOnce(Cli& cli);
void AddLock(Cli& cli);

void AddAcquire(Cli& cli);
void AddRenew(Cli& cli);
void AddCheck(Cli& cli);
void AddRecord(Cli& cli);
void AddRelease(Cli& cli);
void AddIssueKey(Cli& cli);

void AddGet(Cli& cli);
void AddList(Cli& cli);
void AddWatch(Cli& cli);
void AddResolve(Cli& cli);
void AddForceRelease(Cli& cli);
void AddDelete(Cli& cli);
void AddClearRestoreDoubt(Cli& cli);
void AddStatus(Cli& cli);

void AddBackup(Cli& cli);
// These work on a store, with no server running on it.
void AddRestore(Cli& cli);
void AddEtcdRestored(Cli& cli);
void AddExport(Cli& cli);
void AddImport(Cli& cli);

void AddCompletion(Cli& cli);

}  // namespace latchkey::cli
