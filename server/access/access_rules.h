// Who is known here: by the hash of a bearer token, or by a name in a certificate.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "server/access/roles.h"

namespace latchkey {

// SHA-256. Tokens are 256 random bits, so there is nothing to guess, and a slow or salted hash
// would only make every call slower.
using TokenDigest = std::array<unsigned char, 32>;
TokenDigest DigestOf(std::string_view token);

// Somebody with credentials.
struct Identity {
  std::string name;
  Roles roles;
};

// What a caller shows.
struct Credentials {
  // From "authorization: Bearer TOKEN". With `has_token` and a digest of nothing sensible it is a
  // header that is no such thing.
  bool has_token = false;
  TokenDigest token = {};
  // Of a certificate that was verified: "san:..." and "cn:...".
  std::vector<std::string> certificate_names;
};

// Immutable once it is shared.
class AccessRules {
 public:
  // False: it has an identity already.
  [[nodiscard]] bool AddToken(const TokenDigest& digest, Identity identity);
  // `name` is "san:" or "cn:" and the name. False as above.
  [[nodiscard]] bool AddCertificate(const std::string& name, Identity identity);

  // Null: nobody who is known. A token, where there is one, decides alone; else the names of the
  // certificate, in their order, and alternative names before common ones.
  std::shared_ptr<const Identity> Find(const Credentials& credentials) const;

  bool has_certificates() const { return !certificates_.empty(); }
  std::size_t size() const { return tokens_.size() + certificates_.size(); }

 private:
  // In constant time.
  struct SameDigest {
    bool operator()(const TokenDigest& a, const TokenDigest& b) const;
  };
  struct HashDigest {
    std::size_t operator()(const TokenDigest& digest) const;
  };

  absl::flat_hash_map<TokenDigest, std::shared_ptr<const Identity>, HashDigest, SameDigest> tokens_;
  absl::flat_hash_map<std::string, std::shared_ptr<const Identity>> certificates_;
};

}  // namespace latchkey
