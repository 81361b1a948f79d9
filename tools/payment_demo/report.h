// Tells people how the demo went.
#pragma once

#include <ostream>

#include "tools/payment_demo/progress.h"
#include "tools/payment_demo/verdict.h"

namespace latchkey::demo {

// Writes the tables, every check with its result, and as the last line, for programs,
// "orders=N charges=N duplicate_charges=N replays=N recovered=N in_doubt=N rejected=N conflicts=N".
void WriteReport(const Evidence& evidence, const Verdict& verdict, const Tally& tally,
                 std::ostream& out);

}  // namespace latchkey::demo
