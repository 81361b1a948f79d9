#include "security.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string_view>
#include <utility>

#include "failure.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include <grpcpp/client_context.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <grpcpp/support/channel_arguments.h>

namespace latchkey::inline client::internal {
namespace {

constexpr unsigned kLookEverySeconds = 10;

// Whether what is sent to it does not leave the machine. A name that only resolves to it does not
// count: it may resolve otherwise next time.
bool IsThisMachine(std::string_view target) {
  for (const std::string_view scheme : {"dns:///", "dns:", "ipv4:", "ipv6:"}) {
    if (target.starts_with(scheme)) {
      target.remove_prefix(scheme.size());
      break;
    }
  }
  if (target.starts_with("unix:") || target.starts_with("unix-abstract:")) return true;
  if (target.find(',') != std::string_view::npos) return false;  // several addresses
  if (target.starts_with("[::1]")) return true;
  const std::string_view host = target.substr(0, target.rfind(':'));
  const bool ipv4 = host.find_first_not_of("0123456789.") == std::string_view::npos;
  return host == "localhost" || (ipv4 && host.starts_with("127."));
}

CallStatus TokenInPlaintext() {
  google::rpc::ErrorInfo info;
  info.set_reason("TOKEN_IN_PLAINTEXT");
  info.set_domain("latchkey");
  google::rpc::Status status;
  status.set_code(grpc::StatusCode::PERMISSION_DENIED);
  status.set_message(
      "the token is not sent over a connection that is neither encrypted nor to this machine; set "
      "ClientOptions::tls");
  status.add_details()->PackFrom(info);
  return StatusOf(status);
}

// UNAVAILABLE, because somebody may yet put the file there.
CallStatus Unreadable(const std::string& why) { return {grpc::StatusCode::UNAVAILABLE, why, ""}; }

}  // namespace

Security::Security(const std::string& target, const ClientOptions& options)
    : tls_(options.tls),
      token_may_travel_(options.tls.has_value() || options.token_in_plaintext ||
                        IsThisMachine(target)),
      tokens_(options.token, options.token_file) {}

std::shared_ptr<grpc::ChannelCredentials> Security::MakeChannelCredentials() const {
  using grpc::experimental::FileWatcherCertificateProvider;
  if (!tls_.has_value()) return grpc::InsecureChannelCredentials();
  grpc::experimental::TlsChannelCredentialsOptions options;
  if (!tls_->ca_file.empty() || !tls_->certificate_file.empty()) {
    options.set_certificate_provider(std::make_shared<FileWatcherCertificateProvider>(
        tls_->key_file, tls_->certificate_file, tls_->ca_file, kLookEverySeconds));
  }
  if (!tls_->ca_file.empty()) options.watch_root_certs();
  if (!tls_->certificate_file.empty()) options.watch_identity_key_cert_pairs();
  return grpc::experimental::TlsCredentials(options);
}

void Security::SetArguments(grpc::ChannelArguments& arguments) const {
  if (tls_.has_value() && !tls_->server_name.empty()) {
    arguments.SetSslTargetNameOverride(tls_->server_name);
  }
}

Security::Shown Security::Show(grpc::ClientContext& context) {
  Shown shown;
  TokenSource::Answer answer = tokens_.Get();
  if (!answer.error.empty()) shown.failure = Unreadable(answer.error);
  if (answer.token != nullptr && !token_may_travel_) shown.failure = TokenInPlaintext();
  if (shown.failure.has_value()) {
    context.TryCancel();
  } else if (answer.token != nullptr) {
    context.AddMetadata("authorization", "Bearer " + *answer.token);
    shown.token = std::move(answer.token);
  }
  return shown;
}

CallStatus Security::Judge(const Shown& shown, CallStatus status) {
  if (shown.failure.has_value()) return *shown.failure;
  if (status.code == grpc::StatusCode::UNAVAILABLE) {
    if (auto obstacle = Obstacle()) return *obstacle;
  }
  if (status.code == grpc::StatusCode::UNAUTHENTICATED && shown.token != nullptr &&
      tokens_.IsReplaced(*shown.token)) {
    return {grpc::StatusCode::UNAVAILABLE, "the token was replaced meanwhile", ""};
  }
  return status;
}

// gRPC does not say that a file is missing, only that it could not connect.
std::optional<CallStatus> Security::Obstacle() {
  if (!tls_.has_value()) return std::nullopt;
  for (const auto& [name, file] : {std::pair("ca_file", &tls_->ca_file),
                                   std::pair("certificate_file", &tls_->certificate_file),
                                   std::pair("key_file", &tls_->key_file)}) {
    if (file->empty() || std::ifstream(*file).is_open()) continue;
    return Unreadable(std::string("tls.") + name + " " + *file + ": " + std::strerror(errno));
  }
  return std::nullopt;
}

}  // namespace latchkey::inline client::internal
