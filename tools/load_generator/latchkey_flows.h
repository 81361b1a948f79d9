// Latchkey under load, over any of its transports; also the echo server, which has the same API.
#pragma once

#include <iterator>
#include <memory>
#include <string>

#include "latchkey/options.h"
#include "tools/load_generator/closed_loop.h"

namespace latchkey::bench {

// What a flow is.
enum class Flow {
  kAcquire,           // AcquireLock on a fresh key
  kAcquireAndRecord,  // and, after the grant arrived, RecordResult with a random payload
};

// How calls reach the server. Another transport is a value here, its name, its place in
// kTransports, which goes from slow to fast, and its driver in MakeLatchkeyDriver.
enum class Transport {
  kUnary,    // a call of gRPC for each
  kSession,  // many in a frame of a stream
};

inline constexpr Transport kTransports[] = {Transport::kUnary, Transport::kSession};
// For what is not itself measured.
inline constexpr Transport kFastest = kTransports[std::size(kTransports) - 1];

// As in tables and JSON.
const char* NameOf(Transport transport);

// For a run of `concurrency` flows against the server at `address`, HOST:PORT. Of `client`, what
// protects a session's connection counts.
std::unique_ptr<Driver> MakeLatchkeyDriver(Transport transport, const std::string& address,
                                           Flow flow, int concurrency,
                                           const ClientOptions& client = {});

}  // namespace latchkey::bench
