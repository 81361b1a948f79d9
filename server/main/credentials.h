// What the settings say of credentials, read from their files.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "server/access/access_rules.h"
#include "server/main/settings.h"
#include "server/service/server_tls.h"

namespace latchkey {

struct LoadedCredentials {
  std::shared_ptr<const AccessRules> access;  // null: nobody is asked for any
  std::unique_ptr<ServerTls> tls;             // null: no TLS
};

// INVALID_ARGUMENT with one line: settings that do not go together, a file that is no good, or an
// address beyond loopback without access file and TLS, unless `insecure_listen` says so. `clock`
// outlives what is loaded.
absl::StatusOr<LoadedCredentials> LoadCredentials(const Settings& settings, Clock& clock);

}  // namespace latchkey
