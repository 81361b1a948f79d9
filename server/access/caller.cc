#include "server/access/caller.h"

#include <string>

namespace latchkey {
namespace {

using R = v1::Refusal;

Refusal CredentialsRequired(const Credentials& credentials) {
  if (credentials.has_token) {
    return {
        R::CREDENTIALS_REQUIRED,
        "the bearer token is unknown here, or was withdrawn; get one from this server's operator",
        {},
        {}};
  }
  if (!credentials.certificate_names.empty()) {
    return {R::CREDENTIALS_REQUIRED,
            "the certificate is good, and none of its names is known here; ask this server's "
            "operator for a role",
            {},
            {}};
  }
  return {R::CREDENTIALS_REQUIRED,
          "this server asks for credentials: send the header \"authorization: Bearer TOKEN\", or a "
          "certificate",
          {},
          {}};
}

Refusal PermissionDenied(const Identity& identity, Role needed, Role has, std::string where) {
  return {R::PERMISSION_DENIED,
          identity.name + " has the role " + std::string(NameOf(has)) + " in " + where +
              "; the call needs " + std::string(NameOf(needed)),
          {{"caller", identity.name},
           {"role", std::string(NameOf(has))},
           {"role_needed", std::string(NameOf(needed))},
           {"where", std::move(where)}},
          {}};
}

}  // namespace

void Caller::Resolve() {
  const std::uint64_t generation = access_->generation();
  if (generation == generation_) return;
  generation_ = generation;
  identity_ = access_->rules()->Find(credentials_);
}

std::optional<Refusal> Caller::CheckKnown() {
  if (access_ == nullptr) return std::nullopt;
  Resolve();
  if (identity_ == nullptr) return CredentialsRequired(credentials_);
  return std::nullopt;
}

std::optional<Refusal> Caller::Check(Role needed, std::string_view name_space) {
  if (access_ == nullptr) return std::nullopt;
  if (auto unknown = CheckKnown()) return unknown;
  const Role has = identity_->roles.In(name_space);
  if (has >= needed) return std::nullopt;
  return PermissionDenied(*identity_, needed, has, "namespace " + std::string(name_space));
}

std::optional<Refusal> Caller::CheckEverywhere(Role needed) {
  if (auto unknown = CheckKnown()) return unknown;
  if (access_ == nullptr || identity_->roles.everywhere() >= needed) return std::nullopt;
  return PermissionDenied(*identity_, needed, identity_->roles.everywhere(), "all namespaces");
}

}  // namespace latchkey
