// For targets that parse messages.
#pragma once

#include <google/protobuf/stubs/logging.h>

namespace latchkey::fuzz {

// Protobuf has a line of log for each string that is not UTF-8.
inline void SilenceProtobuf() {
  static auto* const log = google::protobuf::SetLogHandler(nullptr);
  (void)log;
}

}  // namespace latchkey::fuzz
