// The end of a crash test, when nothing fails any more: every key must come to rest, and is then
// written down.
#pragma once

#include <string>

#include "tools/crash_test/service.h"

namespace latchkey::crash {

// Acquires every key that is held or in doubt, whoever had it, and gives it back; then waits until
// no key is held. Returns when that is so, or when it should long have been: the history shows it.
void Settle(Service& service);

// Writes all records to `path`, as JSON: those listed, and those of `keys`, a file with
// "NAMESPACE KEY" in each line, which show what is kept of a key that has no record. False if a
// call failed.
bool Dump(Service& service, const std::string& keys, const std::string& path);

}  // namespace latchkey::crash
