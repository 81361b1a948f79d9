#include "server/main/access_file.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "latchkey/v1/coordination.pb.h"
#include "server/machine/request_checks.h"
#include "server/main/one_line.h"
#include <openssl/rand.h>

namespace latchkey {
namespace {

constexpr std::string_view kTokenPrefix = "latchkey_";
constexpr std::size_t kTokenBytes = 32;
constexpr std::string_view kHash = "sha256:";

absl::Status Wrong(const std::string& where, const std::string& what) {
  return absl::InvalidArgumentError(OnOneLine(where + ": " + what));
}

// Up to a "#", which no part of a line can begin with.
std::vector<std::string> Words(const std::string& line) {
  std::istringstream text(line);
  std::vector<std::string> words;
  for (std::string word; text >> word && word[0] != '#';) words.push_back(std::move(word));
  return words;
}

std::optional<TokenDigest> ParseDigest(std::string_view hex) {
  TokenDigest digest;
  if (hex.size() != 2 * digest.size()) return std::nullopt;
  const auto value = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  for (std::size_t i = 0; i < digest.size(); ++i) {
    const int high = value(hex[2 * i]);
    const int low = value(hex[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    digest[i] = static_cast<unsigned char>(high * 16 + low);
  }
  return digest;
}

absl::Status AddRole(const std::string& word, Roles& roles) {
  const auto equals = word.rfind('=');
  if (equals == std::string::npos || equals == 0) {
    return absl::InvalidArgumentError("\"" + word + "\" is no NAMESPACE=ROLE");
  }
  const std::string name_space = word.substr(0, equals);
  const std::string named = word.substr(equals + 1);
  for (const Role role : {Role::kRead, Role::kUse, Role::kAdmin}) {
    if (named != NameOf(role)) continue;
    if (name_space == "*") {
      roles.AddEverywhere(role);
      return absl::OkStatus();
    }
    const Limits limits;
    const NamespaceSettings settings;
    v1::IssueKeyRequest request;
    request.set_namespace_(name_space);
    if (auto refusal = CheckRequest(request, {&limits, &settings, {}})) {
      return absl::InvalidArgumentError("\"" + name_space + "\": " + refusal->message);
    }
    roles.Add(name_space, role);
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError("\"" + named + "\" is none of the roles read, use, admin");
}

absl::StatusOr<Roles> ParseRoles(const std::vector<std::string>& words, std::size_t first) {
  if (words.size() <= first) {
    return absl::InvalidArgumentError("there is no role; add NAMESPACE=read, =use or =admin");
  }
  Roles roles;
  for (std::size_t i = first; i < words.size(); ++i) {
    if (auto added = AddRole(words[i], roles); !added.ok()) return added;
  }
  return roles;
}

absl::Status AddLine(const std::vector<std::string>& words, AccessRules& rules) {
  if (words.size() < 2) {
    return absl::InvalidArgumentError("write NAME CREDENTIAL NAMESPACE=ROLE...");
  }
  auto roles = ParseRoles(words, 2);
  if (!roles.ok()) return roles.status();
  Identity identity{words[0], *std::move(roles)};
  const std::string& credential = words[1];
  bool added = false;
  if (credential.starts_with(kHash)) {
    const auto digest = ParseDigest(std::string_view(credential).substr(kHash.size()));
    if (!digest.has_value()) {
      return absl::InvalidArgumentError("after sha256: come 64 hexadecimal digits");
    }
    added = rules.AddToken(*digest, std::move(identity));
  } else if ((credential.starts_with("san:") && credential.size() > 4) ||
             (credential.starts_with("cn:") && credential.size() > 3)) {
    added = rules.AddCertificate(credential, std::move(identity));
  } else {
    // Not repeated: it may be a token.
    return absl::InvalidArgumentError("the credential of " + words[0] +
                                      " begins with none of sha256:, san:, cn:");
  }
  return added ? absl::OkStatus()
               : absl::InvalidArgumentError("the credential of " + words[0] + " stands above, too");
}

}  // namespace

absl::StatusOr<std::shared_ptr<const AccessRules>> ParseAccess(std::string_view text,
                                                               const std::string& path) {
  auto rules = std::make_shared<AccessRules>();
  std::istringstream lines{std::string(text)};
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const std::vector<std::string> words = Words(line);
    if (words.empty()) continue;
    if (auto added = AddLine(words, *rules); !added.ok()) {
      return Wrong(path + ":" + std::to_string(number), std::string(added.message()));
    }
  }
  if (rules->size() == 0) {
    return Wrong(path,
                 "there is no credential in it, so nobody could call; leave access_file out "
                 "to ask nobody for any");
  }
  return std::shared_ptr<const AccessRules>(std::move(rules));
}

absl::StatusOr<std::shared_ptr<const AccessRules>> ReadAccessFile(const std::string& path) {
  errno = 0;
  std::ifstream file(path);
  std::ostringstream text;
  if (!file.is_open()) return Wrong("access_file " + path, std::strerror(errno));
  text << file.rdbuf();
  if (text.str().empty() && errno != 0) return Wrong("access_file " + path, std::strerror(errno));
  return ParseAccess(text.str(), path);
}

absl::StatusOr<std::string> MintToken(const std::string& who) {
  std::vector<std::string> words = Words(who);
  const auto roles = ParseRoles(words, 1);
  if (!roles.ok()) {
    return absl::InvalidArgumentError(OnOneLine("--new-token: write \"NAME NAMESPACE=ROLE...\"; " +
                                                std::string(roles.status().message())));
  }
  std::array<unsigned char, kTokenBytes> random;
  if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1) {
    return absl::UnavailableError("--new-token: the machine has no random bytes");
  }
  std::string token(kTokenPrefix);
  token += absl::WebSafeBase64Escape(
      std::string(reinterpret_cast<const char*>(random.data()), random.size()));
  const TokenDigest digest = DigestOf(token);
  std::string line = words[0] + " " + std::string(kHash) +
                     absl::BytesToHexString(
                         std::string(reinterpret_cast<const char*>(digest.data()), digest.size()));
  for (std::size_t i = 1; i < words.size(); ++i) line += " " + words[i];
  return token + "\n" + line + "\n";
}

}  // namespace latchkey
