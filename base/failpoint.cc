#include "base/failpoint.h"

namespace latchkey {

void Failpoint(const char*) {}

}  // namespace latchkey
