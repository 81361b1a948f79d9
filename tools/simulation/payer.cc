#include "tools/simulation/payer.h"

#include <utility>

#include "tools/simulation/payer_process.h"

namespace latchkey::simulation {
namespace {

using std::chrono_literals::operator""h;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

// A process that was told to end is ended when it does not.
constexpr Duration kQuitBound = 5s;

}  // namespace

Payer::Payer(Network& network, Provider& provider, PayerEvents& events, std::string name)
    : Host(network.scheduler(), std::move(name)),
      network_(network),
      provider_(provider),
      events_(events),
      clock_(network.random().LogBetween(1s, 24h * 300), network.DrawDrift()) {}

Payer::~Payer() = default;

void Payer::Start() {
  if (up() || retired_) return;
  BeginLife();
  network_.Note(name(), "starts");
  process_ = std::make_unique<PayerProcess>(*this, network_, provider_, events_);
  process_->Start();
}

// What the library does while it is destroyed must not be heard of, so the life ends before.
void Payer::EndProcess() {
  if (!up()) return;
  EndLife();
  network_.OnClientDied(*this);
  process_.reset();
}

void Payer::Kill() {
  if (!up()) return;
  network_.Note(name(), "is killed");
  ++counts_.kills;
  EndProcess();
  scheduler().After(network_.random().LogBetween(10ms, 3s), [this] { Start(); });
}

void Payer::Quit() {
  if (!up() || !process_->has_client()) return;
  // Closing waits, and the server's store call with it.
  if (network_.server_is_busy()) return RunAfter(1ms, [this] { Quit(); });
  network_.Note(name(), "lets go of its client");
  ++counts_.quits;
  process_->LetGo();
  RunAfter(kQuitBound, [this] {
    network_.Note(name(), "ends; " + process_->Describe());
    EndProcess();
    scheduler().After(network_.random().LogBetween(10ms, 3s), [this] { Start(); });
  });
}

bool Payer::idle() const { return !up() || process_->idle(); }

std::string Payer::Describe() const { return up() ? process_->Describe() : name() + " is down"; }

std::uint64_t Payer::Believes(const std::string& key, std::uint64_t fencing_token) const {
  return up() ? process_->Believes(key, fencing_token) : 0;
}

}  // namespace latchkey::simulation
