#include "server/access/access_rules.h"

#include <utility>

#include "absl/hash/hash.h"
#include <openssl/crypto.h>
#include <openssl/sha.h>

namespace latchkey {

TokenDigest DigestOf(std::string_view token) {
  TokenDigest digest;
  static_assert(digest.size() == SHA256_DIGEST_LENGTH);
  SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(), digest.data());
  return digest;
}

bool AccessRules::SameDigest::operator()(const TokenDigest& a, const TokenDigest& b) const {
  return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

// Which bucket is looked into says nothing: nobody can choose what the digest of a guess is, and
// the hash is another one in every process.
std::size_t AccessRules::HashDigest::operator()(const TokenDigest& digest) const {
  return absl::Hash<std::string_view>()(
      {reinterpret_cast<const char*>(digest.data()), digest.size()});
}

bool AccessRules::AddToken(const TokenDigest& digest, Identity identity) {
  return tokens_.try_emplace(digest, std::make_shared<const Identity>(std::move(identity))).second;
}

bool AccessRules::AddCertificate(const std::string& name, Identity identity) {
  return certificates_.try_emplace(name, std::make_shared<const Identity>(std::move(identity)))
      .second;
}

std::shared_ptr<const Identity> AccessRules::Find(const Credentials& credentials) const {
  if (credentials.has_token) {
    const auto found = tokens_.find(credentials.token);
    return found == tokens_.end() ? nullptr : found->second;
  }
  for (const std::string& name : credentials.certificate_names) {
    const auto found = certificates_.find(name);
    if (found != certificates_.end()) return found->second;
  }
  return nullptr;
}

}  // namespace latchkey
