#include "tools/simulation/stream.h"

#include <algorithm>
#include <utility>

#include "tools/simulation/server_host.h"
#include "tools/simulation/session_end.h"

namespace latchkey::simulation {
namespace {

using grpc::StatusCode;

// From the kernel's taking a frame to the library's hearing so.
constexpr Duration kWritten = std::chrono::microseconds(20);

}  // namespace

Stream::Stream(Network& network, Host& client, std::uint64_t number,
               std::shared_ptr<internal::SessionEvents> events)
    : network_(network), client_(client), number_(number), events_(std::move(events)) {}

Duration Stream::Arrival(Duration& last) {
  const Duration now = network_.scheduler().now();
  last = std::max(last + Duration(1), now + network_.Latency());
  return last;
}

void Stream::Connect() {
  ServerHost& server = network_.server();
  const Duration when = Arrival(last_up_);
  network_.scheduler().At(when, [self = shared_from_this(), &server] {
    if (self->client_over_) return;
    if (!server.serving()) {
      self->server_over_ = true;
      self->client_.RunAfter(self->network_.Latency(), [self] {
        self->ClientOver({StatusCode::UNAVAILABLE, "connection refused", ""});
      });
      return;
    }
    server.RunAfter(Duration::zero(), [self, &server] {
      if (!self->server_over_) self->end_ = server.Accept(self);
    });
  });
}

void Stream::ToServer(Duration when, std::function<void(SessionEnd&)> task) {
  network_.scheduler().At(when, [self = shared_from_this(), task = std::move(task)] {
    ServerHost& server = self->network_.server();
    if (self->cut_up_ || self->server_over_ || !server.serving()) return;
    server.RunAfter(Duration::zero(), [self, task] {
      if (self->end_ != nullptr) task(*self->end_);
    });
  });
}

void Stream::ClientWrites(std::string frame) {
  if (client_over_ || half_closed_ || !client_.up()) return;
  client_.RunAfter(kWritten, [self = shared_from_this()] {
    if (!self->client_over_) self->events_->OnWritten();
  });
  if (network_.random().Chance(network_.swarm().lost)) Break();
  ToServer(Arrival(last_up_), [frame = std::move(frame)](SessionEnd& end) { end.Receive(frame); });
  MayBreak();
}

void Stream::ClientHalfCloses() {
  if (std::exchange(half_closed_, true)) return;
  ToServer(Arrival(last_up_), [](SessionEnd& end) { end.HalfClosed(); });
}

void Stream::ClientCancels() {
  cut_up_ = cut_down_ = true;
  network_.scheduler().After(network_.Latency(),
                             [self = shared_from_this()] { self->ServerOver(); });
  ClientOver({StatusCode::CANCELLED, "cancelled", ""});
}

void Stream::ClientDied() {
  if (client_over_) return;
  // What had left it still arrives. The library is told when it lets go of the stream.
  cut_down_ = true;
  network_.scheduler().After(network_.Notice(),
                             [self = shared_from_this()] { self->ServerOver(); });
}

void Stream::ServerWrites(std::string frame) {
  if (network_.random().Chance(network_.swarm().lost)) Break();
  network_.scheduler().At(
      Arrival(last_down_), [self = shared_from_this(), frame = std::move(frame)] {
        if (self->cut_down_) return;
        self->client_.RunAfter(Duration::zero(), [self, frame] {
          if (self->client_over_) return;
          v1::SessionResponse response;
          if (response.ParseFromString(frame)) return self->events_->OnFrame(response);
          self->ClientOver({StatusCode::CANCELLED, "a frame that does not parse", ""});
        });
      });
  MayBreak();
}

Duration Stream::TimeToWrite() {
  const bool full = network_.random().Chance(0.5);
  if (!full || !client_.paused()) return kWritten;
  return kWritten + client_.paused_until() - network_.scheduler().now();
}

void Stream::ServerEnds(internal::CallStatus status) {
  end_ = nullptr;
  server_over_ = true;
  if (client_over_ || cut_down_) return;
  client_.RunAt(Arrival(last_down_), [self = shared_from_this(), status = std::move(status)] {
    self->ClientOver(status);
  });
}

// What had left it still arrives, until the client hears of the end.
void Stream::ServerDied() {
  if (server_over_) return;
  end_ = nullptr;
  server_over_ = cut_up_ = true;
  if (client_over_) return;
  client_.RunAfter(network_.Notice(), [self = shared_from_this()] {
    self->ClientOver({StatusCode::UNAVAILABLE, "connection reset", ""});
  });
}

void Stream::MayBreak() {
  if (network_.random().Chance(network_.swarm().cut)) Break();
}

void Stream::Break() {
  if (broken_) return;
  broken_ = true;
  const std::uint64_t which = network_.random().Below(3);
  cut_up_ = cut_up_ || which != 0;
  cut_down_ = cut_down_ || which != 1;
  network_.Note(client_.name(), "stream " + std::to_string(number_) + " breaks");
  client_.RunAfter(network_.Notice(), [self = shared_from_this()] {
    self->ClientOver({StatusCode::UNAVAILABLE, "connection lost", ""});
  });
  network_.scheduler().After(network_.Notice(),
                             [self = shared_from_this()] { self->ServerOver(); });
}

void Stream::ClientOver(const internal::CallStatus& status) {
  if (client_over_) return;
  client_over_ = cut_up_ = cut_down_ = true;
  const auto events = std::exchange(events_, nullptr);
  // The server is not asked whether it has noticed; it will.
  network_.scheduler().After(network_.Latency(),
                             [self = shared_from_this()] { self->ServerOver(); });
  events->OnEnded(status);
}

void Stream::ServerOver() {
  if (server_over_) return;
  cut_up_ = cut_down_ = true;
  ServerHost& server = network_.server();
  if (!server.serving()) return;
  server.RunAfter(Duration::zero(), [self = shared_from_this()] {
    if (self->server_over_) return;
    self->server_over_ = true;
    if (SessionEnd* const end = std::exchange(self->end_, nullptr)) end->Broken();
  });
}

}  // namespace latchkey::simulation
