// One connection between a caller and the server, and what goes wrong on it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <random>
#include <string_view>

#include "tools/fault_test/message_ends.h"

namespace latchkey::faults {

// What is done to a connection when a request has come whole.
enum class Fault {
  kLostReply,    // the server gets the request, and the connection breaks before its reply
  kLostRequest,  // the connection breaks before the server gets the request
  kTornRequest,  // the server gets a part of it
  kReset,        // both sides are reset; nobody knows what was read
  kHalfClose,    // one direction ends, the other goes on for a while
  kStall,        // one direction stands still for a while
  kDelay,        // everything stands still for a moment
};

// The name in events: "lost_reply".
const char* NameOf(Fault fault);

// Owns both sockets. One thread's.
class ProxiedConnection {
 public:
  struct Plan {
    std::uint64_t seed = 1;
    // On average, one fault in so many requests.
    unsigned requests_per_fault = 1;
    // Whether there is to be another fault at all.
    std::function<bool()> goes_on;
    // Called when a fault has been done.
    std::function<void(Fault)> note;
  };

  ProxiedConnection(int caller, int server, Plan plan);
  ProxiedConnection(const ProxiedConnection&) = delete;
  ProxiedConnection& operator=(const ProxiedConnection&) = delete;
  ~ProxiedConnection();

  // Relays until the connection is over.
  void Run();

 private:
  using Milliseconds = std::int64_t;

  std::uint64_t Draw(std::uint64_t below) { return random_() % below; }
  Fault Pick();
  // False: the connection is over.
  bool FromCaller();
  bool FromServer();
  // `request` ends with a whole request; `before` is what belongs to earlier ones.
  bool Do(Fault fault, std::string_view before, std::string_view request);
  void LoseReply(std::string_view bytes);
  bool HalfClose(std::string_view bytes);
  bool Stall(std::string_view bytes);
  bool Delay(std::string_view bytes);
  void Reset();

  const int caller_;
  const int server_;
  const Plan plan_;
  std::mt19937_64 random_;
  MessageEnds requests_;
  // Until these times of the monotonic clock; 0: not.
  Milliseconds caller_stalled_ = 0;
  Milliseconds server_stalled_ = 0;
  Milliseconds ends_ = 0;
  // It was told that nothing more comes; what comes all the same is dropped.
  bool caller_shut_ = false;
  bool server_shut_ = false;
};

}  // namespace latchkey::faults
