// One session's stream, from a client to a life of the server.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "client/src/session_stream.h"
#include "tools/simulation/network.h"

namespace latchkey::simulation {

class SessionEnd;

// Frames arrive in the order in which they were sent, or not at all: then everything after them is
// lost, too, and both sides hear of it sooner or later. For one thread.
class Stream : public std::enable_shared_from_this<Stream> {
 public:
  Stream(Network& network, Host& client, std::uint64_t number,
         std::shared_ptr<internal::SessionEvents> events);

  std::uint64_t number() const { return number_; }
  const Host& client() const { return client_; }
  Network& network() const { return network_; }
  bool open() const { return !client_over_ || !server_over_; }

  void Connect();

  // The client's side.
  void ClientWrites(std::string frame);
  // Nothing can be written behind it.
  void ClientHalfCloses();
  // Ends it at once, for the client.
  void ClientCancels();
  void ClientDied();

  // The server's side.
  void ServerWrites(std::string frame);
  // How long the kernel takes a frame: while the client does not read, perhaps not at all.
  Duration TimeToWrite();
  void ServerEnds(internal::CallStatus status);
  void ServerDied();

 private:
  // When what is sent now arrives: after what was sent before.
  Duration Arrival(Duration& last);
  void MayBreak();
  void Break();
  void ToServer(Duration when, std::function<void(SessionEnd&)> task);
  void ClientOver(const internal::CallStatus& status);
  void ServerOver();

  Network& network_;
  Host& client_;
  const std::uint64_t number_;
  std::shared_ptr<internal::SessionEvents> events_;
  // Null before it is accepted, and once the server is done with it.
  SessionEnd* end_ = nullptr;
  Duration last_up_ = Duration::zero();
  Duration last_down_ = Duration::zero();
  bool broken_ = false;
  // Nothing arrives any more.
  bool cut_up_ = false;
  bool cut_down_ = false;
  bool client_over_ = false;
  bool half_closed_ = false;
  bool server_over_ = false;
};

}  // namespace latchkey::simulation
