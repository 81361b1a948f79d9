// What RocksDB's default family has: the token limit and the store's state, each under its name.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace latchkey::storage {

// No token above this number was ever given.
inline constexpr char kTokenLimitKey[] = "token_limit";
// A StoreState.
inline constexpr char kStateKey[] = "state";

// Eight bytes, lowest first.
inline std::string EncodeNumber(std::uint64_t number) {
  std::string bytes(sizeof(number), '\0');
  for (char& byte : bytes) {
    byte = static_cast<char>(number & 0xff);
    number >>= 8;
  }
  return bytes;
}

inline std::uint64_t DecodeNumber(std::string_view bytes) {
  std::uint64_t number = 0;
  for (auto byte = bytes.rbegin(); byte != bytes.rend(); ++byte) {
    number = number << 8 | static_cast<unsigned char>(*byte);
  }
  return number;
}

}  // namespace latchkey::storage
