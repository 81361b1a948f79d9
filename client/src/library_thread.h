// Knows the threads that the library's work runs on: its timer thread and gRPC's. They must not be
// blocked, and cannot wait for themselves to end.
#pragma once

namespace latchkey::inline client::internal {

// Marks this thread as one of the library's, for a scope.
class LibraryThread {
 public:
  LibraryThread() { ++depth; }
  ~LibraryThread() { --depth; }
  LibraryThread(const LibraryThread&) = delete;
  LibraryThread& operator=(const LibraryThread&) = delete;

  static bool IsThis() { return depth > 0; }

 private:
  inline static thread_local int depth = 0;
};

}  // namespace latchkey::inline client::internal
