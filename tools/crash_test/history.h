// What one client saw: a line before a call is sent, and one after its answer. The checker reads
// it.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include <google/protobuf/message.h>

namespace latchkey::crash {

// Nanoseconds of CLOCK_MONOTONIC, which all processes of a machine share.
std::int64_t MonotonicNanos();

// A file of JSON lines, each in one write(2): what was written survives the end of this process.
//
//   {"t":NANOS,"id":"ID","call":"RPC","request":{...}}               before the call is sent
//   {"t":NANOS,"id":"ID","reply":{...}}                              it was answered OK, or else
//   {"t":NANOS,"id":"ID","status":CODE,"reason":"...","message":"..."}
//
//   {"t":NANOS,"event":"believes","namespace":"...","key":"...","token":N}
//
// Messages are in Protobuf's JSON form, with the fields' own names. Thread-safe.
class History {
 public:
  // Ends the process if the file cannot be created.
  History(const std::string& path, std::string client);
  History(const History&) = delete;
  History& operator=(const History&) = delete;
  ~History();

  // Writes down that the call is about to be sent, and returns its id.
  std::string Begin(const char* call, const google::protobuf::Message& request);
  // `at`: when the answer came.
  void EndWithReply(const std::string& id, std::int64_t at, const google::protobuf::Message& reply);
  void EndWithStatus(const std::string& id, std::int64_t at, int code, const std::string& reason,
                     const std::string& message);
  // The client said, after `before`, that it holds this lease.
  void NoteBelief(std::int64_t before, const std::string& key_namespace, const std::string& key,
                  std::uint64_t fencing_token);

 private:
  void Write(const std::string& line);

  const std::string client_;
  const int file_;
  std::atomic<std::uint64_t> calls_ = 0;
};

}  // namespace latchkey::crash
