#include "server/main/credentials.h"

#include <string>
#include <utility>

#include "server/main/access_file.h"
#include "server/main/listen_check.h"
#include "server/main/one_line.h"

namespace latchkey {
namespace {

absl::Status CheckTogether(const Settings& settings) {
  const TlsFiles& tls = settings.tls;
  if (tls.certificate.empty() != tls.key.empty()) {
    return absl::InvalidArgumentError(tls.key.empty() ? "tls_certificate needs tls_key"
                                                      : "tls_key needs tls_certificate");
  }
  if (!tls.client_ca.empty() && tls.certificate.empty()) {
    return absl::InvalidArgumentError("tls_client_ca needs tls_certificate and tls_key");
  }
  if (settings.insecure_listen || IsLoopback(settings.server.listen_address)) {
    return absl::OkStatus();
  }
  const std::string beyond =
      "listen_address \"" + settings.server.listen_address + "\" is beyond loopback, and ";
  if (settings.access_file.empty()) {
    return absl::InvalidArgumentError(
        OnOneLine(beyond +
                  "without access_file whoever reaches it may do anything; set access_file and "
                  "tls_certificate, or insecure_listen if the network is yours alone"));
  }
  if (tls.certificate.empty()) {
    return absl::InvalidArgumentError(
        OnOneLine(beyond +
                  "without TLS whoever is on the way can read the tokens; set tls_certificate and "
                  "tls_key, or insecure_listen if something else encrypts"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<LoadedCredentials> LoadCredentials(const Settings& settings, Clock& clock) {
  if (auto good = CheckTogether(settings); !good.ok()) return good;
  LoadedCredentials loaded;
  if (!settings.access_file.empty()) {
    auto rules = ReadAccessFile(settings.access_file);
    if (!rules.ok()) return rules.status();
    loaded.access = *std::move(rules);
    if (loaded.access->has_certificates() && settings.tls.client_ca.empty()) {
      return absl::InvalidArgumentError(
          OnOneLine("access_file " + settings.access_file +
                    ": it names certificates, and without tls_client_ca none can be shown"));
    }
  }
  if (!settings.tls.certificate.empty()) {
    auto tls = ServerTls::Load(settings.tls, clock);
    if (!tls.ok())
      return absl::InvalidArgumentError(OnOneLine(std::string(tls.status().message())));
    loaded.tls = *std::move(tls);
  }
  return loaded;
}

}  // namespace latchkey
