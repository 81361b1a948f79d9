#include "tools/latchkey/fingerprint.h"

#include <array>

#include <openssl/evp.h>

namespace latchkey::cli {

std::string FingerprintOf(const std::string& text) {
  if (text.empty()) return "";
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr);
  return {reinterpret_cast<const char*>(digest.data()), size};
}

}  // namespace latchkey::cli
