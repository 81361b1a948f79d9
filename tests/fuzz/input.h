// An input of the fuzzer as a list of steps, each a kind and some bytes. Any bytes are such a list,
// and a corpus can be written by hand: one byte of kind, two of size (the low one first), the
// bytes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace latchkey::fuzz {

struct InputStep {
  std::uint8_t kind = 0;
  std::string_view bytes;
};

// Takes the next step off `input`. False if there is none. A size past the end means all that is
// left.
inline bool TakeStep(std::string_view* input, InputStep* step) {
  if (input->size() < 3) return false;
  const auto byte = [&](std::size_t at) { return static_cast<std::uint8_t>((*input)[at]); };
  step->kind = byte(0);
  const std::size_t size = byte(1) + 256u * byte(2);
  input->remove_prefix(3);
  step->bytes = input->substr(0, size);
  input->remove_prefix(step->bytes.size());
  return true;
}

// Appends a step to an input.
inline void AddStep(std::uint8_t kind, const std::string& bytes, std::string* input) {
  const std::size_t size = std::min<std::size_t>(bytes.size(), 0xFFFF);
  input->push_back(static_cast<char>(kind));
  input->push_back(static_cast<char>(size % 256));
  input->push_back(static_cast<char>(size / 256));
  input->append(bytes, 0, size);
}

// The first bytes as a number: what a step of time or choice means by them.
inline std::uint32_t NumberOf(std::string_view bytes) {
  std::uint32_t number = 0;
  for (const char byte : bytes.substr(0, 3))
    number = number * 256 + static_cast<std::uint8_t>(byte);
  return number;
}

}  // namespace latchkey::fuzz
