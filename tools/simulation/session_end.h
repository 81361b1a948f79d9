// The server's end of a stream: the shipped Session, and who looks at what comes and goes.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/calls/session.h"
#include "tools/simulation/boundary.h"
#include "tools/simulation/stream.h"

namespace latchkey::simulation {

class ServerLife;

// Lives as long as its server's life. For one thread.
class SessionEnd final : public SessionLink {
 public:
  SessionEnd(ServerLife& life, std::shared_ptr<Stream> stream);

  // From the stream.
  void Receive(const std::string& frame);
  void HalfClosed();
  void Broken();
  // The server's process has ended: nothing leaves any more, and what the session holds is freed.
  void Sever();

  void Drain() { session_->Drain(); }
  bool ended() const { return ended_; }

  void Write(std::string frame) override;
  void Read() override;
  void End(const std::optional<Refusal>& refusal) override;
  void Break() override { Broken(); }

 private:
  void Take(const std::string& frame);
  void NoteArrived(const v1::SessionRequest& request);
  void NoteLeaving(const std::string& frame);
  void NoteGone(std::uint64_t call_id);
  void CutOff();

  ServerLife& life_;
  const std::shared_ptr<Stream> stream_;
  const std::shared_ptr<Session> session_;
  bool may_read_ = true;
  bool half_closed_ = false;
  std::vector<std::string> unread_;
  bool writing_ = false;
  bool ended_ = false;
  // Calls that are not answered, and heartbeats, by what the client calls them.
  std::multimap<std::uint64_t, std::uint64_t> calls_;
  std::map<std::uint64_t, std::vector<std::uint64_t>> heartbeats_;
};

}  // namespace latchkey::simulation
