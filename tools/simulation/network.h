// The network between callers and the server: messages are late, lost, doubled and overtake each
// other, and streams break, often in one direction first.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "client/src/session_stream.h"
#include "client/src/transport.h"
#include "tools/simulation/host.h"
#include "tools/simulation/random.h"
#include "tools/simulation/swarm.h"
#include "tools/simulation/trace.h"

namespace latchkey::simulation {

class ServerHost;
class Stream;

struct NetworkEnvironment {
  Scheduler* scheduler = nullptr;
  Random* random = nullptr;
  const Swarm* swarm = nullptr;
  Trace* trace = nullptr;
  ServerHost* server = nullptr;
};

class Network {
 public:
  explicit Network(const NetworkEnvironment& environment) : environment_(environment) {}

  Scheduler& scheduler() const { return *environment_.scheduler; }
  Random& random() const { return *environment_.random; }
  const Swarm& swarm() const { return *environment_.swarm; }
  ServerHost& server() const { return *environment_.server; }
  void Note(const std::string& who, const std::string& what) const {
    environment_.trace->Add(scheduler().now(), who, what);
  }

  // How long the next message takes.
  Duration Latency();
  // How long until somebody hears that the other side has gone.
  Duration Notice();
  // Of a host's clock, in parts of a million.
  int DrawDrift();
  // It is within a call that takes time.
  bool server_is_busy() const;
  std::uint64_t NextCallNumber() { return ++calls_; }

  // As the client library opens one.
  std::shared_ptr<internal::SessionStream> Open(Host& client,
                                                std::shared_ptr<internal::SessionEvents> events);
  std::shared_ptr<Stream> OpenStream(Host& client, std::shared_ptr<internal::SessionEvents> events);

  // One unary call; `done` is called once, unless the client dies before.
  template <class Request, class Response>
  void Call(Host& client, Request request, internal::TryLimits limits,
            internal::Done<Response> done);

  // Their process has ended.
  void OnClientDied(const Host& client);
  void OnServerDied();
  std::size_t open_streams();

 private:
  const NetworkEnvironment environment_;
  std::uint64_t calls_ = 0;
  std::uint64_t streams_made_ = 0;
  std::vector<std::weak_ptr<Stream>> streams_;
};

}  // namespace latchkey::simulation
