#include "storage/etcd/etcd_options.h"

#include <algorithm>
#include <string_view>

#include "absl/strings/str_split.h"

namespace latchkey::storage {
namespace {

constexpr std::string_view kScheme = "etcd://";
constexpr std::size_t kPrefixBytesMax = 64;

absl::Status Wrong(const std::string& address, const std::string& what) {
  return absl::InvalidArgumentError("\"" + address + "\": " + what +
                                    "; write etcd://HOST:PORT,HOST:PORT or with /PREFIX after it");
}

bool IsHostAndPort(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == text.size()) return false;
  return std::ranges::all_of(text.substr(colon + 1), [](char c) { return c >= '0' && c <= '9'; });
}

bool IsPrefix(std::string_view text) {
  return !text.empty() && text.size() <= kPrefixBytesMax &&
         std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7F; });
}

}  // namespace

absl::StatusOr<EtcdOptions> ParseEtcdAddress(const std::string& address) {
  if (!address.starts_with(kScheme)) return Wrong(address, "does not begin with etcd://");
  const std::string rest = address.substr(kScheme.size());
  const auto slash = rest.find('/');
  EtcdOptions options;
  options.endpoints = absl::StrSplit(rest.substr(0, slash), ',');
  for (const std::string& endpoint : options.endpoints) {
    if (!IsHostAndPort(endpoint)) return Wrong(address, "\"" + endpoint + "\" is no HOST:PORT");
  }
  if (slash == std::string::npos || slash + 1 == rest.size()) return options;
  options.prefix = rest.substr(slash + 1);
  if (options.prefix.ends_with('/')) options.prefix.pop_back();
  if (!IsPrefix(options.prefix)) {
    return Wrong(address, "the prefix must be 1 to 64 printable characters without spaces");
  }
  return options;
}

}  // namespace latchkey::storage
