// Takes over changed settings and files while the server serves.
#pragma once

#include "server/main/settings.h"
#include "server/service/server.h"
#include "server/service/server_tls.h"

namespace latchkey {

// For the thread that takes the signals. All that it refers to outlives it.
class Reload {
 public:
  // `tls` may be null.
  Reload(int argc, const char* const* argv, const Settings& started_with, Server& server,
         ServerTls* tls)
      : argc_(argc), argv_(argv), started_with_(started_with), server_(server), tls_(tls) {}

  // SIGHUP: reads the config file, the access file and the certificates again, and puts all of them
  // in force, or none and says in one line of the log why. Nothing that is under way is dropped.
  void Everything();

  // Certificates that were replaced are taken without a signal. To be called about once a second;
  // waits until a change is a round old, as a pair is seldom replaced in one step.
  void LookAtCertificates();

 private:
  absl::Status Apply(std::string* needs_restart);

  const int argc_;
  const char* const* const argv_;
  const Settings& started_with_;
  Server& server_;
  ServerTls* const tls_;
  bool changed_ = false;
};

}  // namespace latchkey
