// Keeps a message on one line, whatever is in it.
#pragma once

#include <string>

namespace latchkey {

// Control characters become \x0a and the like.
std::string OnOneLine(const std::string& text);

}  // namespace latchkey
