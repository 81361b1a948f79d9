// The kinds of steps in an input of fuzz_session. The kind byte is twice this, plus the number of
// the session (0 or 1).
#pragma once

#include <cstdint>

namespace latchkey::fuzz {

enum class SessionStep : std::uint8_t {
  kFrame,
  kSent,       // the frame that is being sent is
  kPass,       // so many milliseconds pass
  kHalfClose,  // the client sends no more
  kBreak,      // the connection is gone
  kDrain,      // the server is going down
};
inline constexpr int kSessionSteps = 6;

}  // namespace latchkey::fuzz
