// The bearer token of a connection.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "base/mutex.h"

namespace latchkey::inline client::internal {

// Thread-safe.
class TokenSource {
 public:
  // The token, or the file that it is in; both may be empty.
  TokenSource(std::string token, std::string file);

  struct Answer {
    std::shared_ptr<const std::string> token;  // null: none is to be sent, or it cannot be read
    std::string error = {};                    // why it cannot be read
  };
  // Looks at the file at most once a second.
  Answer Get();
  // Looks at it now. Whether the token has another value than `used`.
  bool IsReplaced(const std::string& used);

 private:
  void Look() REQUIRES(mutex_);

  const std::string file_;
  Mutex mutex_;
  Answer now_ GUARDED_BY(mutex_);
  // Of the file that was read: a change of any of it is a change of the file.
  std::string version_ GUARDED_BY(mutex_);
  std::chrono::steady_clock::time_point looked_at_ GUARDED_BY(mutex_);
};

}  // namespace latchkey::inline client::internal
