#include "server/service/caller_of.h"

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <grpc/grpc_security_constants.h>
#include <grpcpp/security/auth_context.h>
#include <grpcpp/server_context.h>

namespace latchkey {
namespace {

std::string_view ViewOf(const grpc::string_ref& text) { return {text.data(), text.size()}; }

bool IsBearer(std::string_view scheme) {
  constexpr std::string_view kBearer = "bearer ";
  if (scheme.size() != kBearer.size()) return false;
  for (std::size_t i = 0; i < scheme.size(); ++i) {
    const char lower =
        scheme[i] >= 'A' && scheme[i] <= 'Z' ? static_cast<char>(scheme[i] + 32) : scheme[i];
    if (lower != kBearer[i]) return false;
  }
  return true;
}

void ReadToken(const grpc::ServerContextBase& context, Credentials& credentials) {
  constexpr std::size_t kSchemeBytes = 7;
  const auto [first, last] = context.client_metadata().equal_range("authorization");
  if (first == last) return;
  credentials.has_token = true;
  // Of two it would be anybody's guess which one counts, so neither does: no digest is all zeros.
  if (std::next(first) != last) return;
  const std::string_view header = ViewOf(first->second);
  if (!IsBearer(header.substr(0, kSchemeBytes))) return;
  credentials.token = DigestOf(header.substr(kSchemeBytes));
}

void ReadCertificate(const grpc::ServerContextBase& context, Credentials& credentials) {
  const std::shared_ptr<const grpc::AuthContext> peer = context.auth_context();
  if (peer == nullptr || !peer->IsPeerAuthenticated()) return;
  const auto add = [&](const char* property, const char* kind) {
    for (const grpc::string_ref& name : peer->FindPropertyValues(property)) {
      credentials.certificate_names.push_back(kind + std::string(ViewOf(name)));
    }
  };
  add(GRPC_X509_SAN_PROPERTY_NAME, "san:");
  add(GRPC_X509_CN_PROPERTY_NAME, "cn:");
}

}  // namespace

Caller CallerOf(const Access* access, const grpc::ServerContextBase& context) {
  if (access == nullptr) return {};
  Credentials credentials;
  ReadToken(context, credentials);
  if (!credentials.has_token) ReadCertificate(context, credentials);
  return {access, std::move(credentials)};
}

}  // namespace latchkey
