#include "server/main/one_line.h"

namespace latchkey {

std::string OnOneLine(const std::string& text) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string line;
  for (const char byte : text) {
    const auto code = static_cast<unsigned char>(byte);
    if (code >= ' ' && code != 0x7F) {
      line += byte;
    } else {
      line += {'\\', 'x', kDigits[code / 16], kDigits[code % 16]};
    }
  }
  return line;
}

}  // namespace latchkey
