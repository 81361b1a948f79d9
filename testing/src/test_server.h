// The server behind InProcessServer. It shows none of the server's headers: they and the client's
// use some names for different things.
#pragma once

#include <chrono>
#include <memory>
#include <string>

namespace latchkey::testing_internal {

// See InProcessServer for what all of these promise.
class TestServer {
 public:
  static std::unique_ptr<TestServer> Start();
  virtual ~TestServer() = default;

  virtual const std::string& address() const = 0;
  virtual void AdvanceTime(std::chrono::nanoseconds by) = 0;
  virtual void DropReplies(int count) = 0;
  virtual void StopAnswering() = 0;
  virtual void ResumeAnswering() = 0;
};

}  // namespace latchkey::testing_internal
