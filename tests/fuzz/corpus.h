// The inputs that the fuzzers begin with: short stories that reach most of what there is, for them
// to vary.
#pragma once

#include <map>
#include <string>

namespace latchkey::fuzz {

// By "TARGET/NAME".
std::map<std::string, std::string> MakeCorpus();

}  // namespace latchkey::fuzz
