#include "tools/simulation/network.h"

#include <algorithm>

#include "tools/simulation/server_host.h"
#include "tools/simulation/stream.h"

namespace latchkey::simulation {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

Duration Network::Latency() {
  const bool late = random().Chance(swarm().late);
  const Duration most = late ? swarm().late_max : swarm().latency_max;
  return random().LogBetween(swarm().latency_min, most);
}

Duration Network::Notice() { return random().LogBetween(1ms, 3s); }

int Network::DrawDrift() {
  const int most = swarm().drift_ppm_max;
  return static_cast<int>(random().Below(static_cast<std::uint64_t>(2 * most + 1))) - most;
}

bool Network::server_is_busy() const { return server().busy(); }

std::shared_ptr<Stream> Network::OpenStream(Host& client,
                                            std::shared_ptr<internal::SessionEvents> events) {
  auto stream = std::make_shared<Stream>(*this, client, ++streams_made_, std::move(events));
  streams_.push_back(stream);
  // What a process does while it ends is not heard of.
  if (client.up()) stream->Connect();
  return stream;
}

namespace {

// What the library holds.
class ClientEnd final : public internal::SessionStream {
 public:
  explicit ClientEnd(std::shared_ptr<Stream> stream) : stream_(std::move(stream)) {}
  void Write(std::string frame) override { stream_->ClientWrites(std::move(frame)); }
  void Cancel() override { stream_->ClientCancels(); }

 private:
  const std::shared_ptr<Stream> stream_;
};

}  // namespace

std::shared_ptr<internal::SessionStream> Network::Open(
    Host& client, std::shared_ptr<internal::SessionEvents> events) {
  return std::make_shared<ClientEnd>(OpenStream(client, std::move(events)));
}

void Network::OnClientDied(const Host& client) {
  for (const auto& weak : std::exchange(streams_, {})) {
    const auto stream = weak.lock();
    if (stream == nullptr) continue;
    if (&stream->client() == &client) stream->ClientDied();
    streams_.push_back(weak);
  }
}

void Network::OnServerDied() {
  for (const auto& weak : std::exchange(streams_, {})) {
    const auto stream = weak.lock();
    if (stream == nullptr) continue;
    stream->ServerDied();
    streams_.push_back(weak);
  }
}

std::size_t Network::open_streams() {
  return static_cast<std::size_t>(std::ranges::count_if(streams_, [](const auto& weak) {
    const auto stream = weak.lock();
    return stream != nullptr && stream->open();
  }));
}

}  // namespace latchkey::simulation
