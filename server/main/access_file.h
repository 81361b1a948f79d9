// The access file: who is known, one a line, and what they may do.
//
//   checkout  sha256:9f86d081...  shop/charge=use reports=read
//   ops       san:spiffe://prod/ops          *=admin
//   billing   cn:billing.internal            shop/charge=read
//
// A name for people, a credential (the SHA-256 of a bearer token, or an alternative or common name
// of a certificate), and a role for each namespace, or for all by "*". "#" begins a comment.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/access/access_rules.h"

namespace latchkey {

// INVALID_ARGUMENT with one line that names the line of the file: also where it has no credential
// at all, which would let nobody in.
absl::StatusOr<std::shared_ptr<const AccessRules>> ReadAccessFile(const std::string& path);
absl::StatusOr<std::shared_ptr<const AccessRules>> ParseAccess(std::string_view text,
                                                               const std::string& path);

// A new token for `who`, a name and roles as in the file: the token on the first line, which nobody
// can ever show again, and the line of the file on the second.
absl::StatusOr<std::string> MintToken(const std::string& who);

}  // namespace latchkey
