#include "token_source.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

namespace latchkey::inline client::internal {
namespace {

constexpr std::chrono::seconds kLookEvery(1);

std::string VersionOf(const std::string& file) {
  struct stat status = {};
  if (::stat(file.c_str(), &status) != 0) return "";
  return std::to_string(status.st_ino) + " " + std::to_string(status.st_size) + " " +
         std::to_string(status.st_mtim.tv_sec) + "." + std::to_string(status.st_mtim.tv_nsec);
}

std::string Trimmed(const std::string& text) {
  constexpr char kSpace[] = " \t\r\n";
  const auto first = text.find_first_not_of(kSpace);
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

// What may stand in a header; anything else would make gRPC refuse the whole call.
bool IsToken(const std::string& text) {
  for (const char c : text) {
    if (c < 0x21 || c > 0x7E) return false;
  }
  return !text.empty();
}

TokenSource::Answer Checked(std::string token, const std::string& whose) {
  if (IsToken(token)) return {std::make_shared<const std::string>(std::move(token))};
  return {nullptr, whose + " is no token: one word of printable characters"};
}

TokenSource::Answer Read(const std::string& file) {
  errno = 0;
  std::ifstream stream(file);
  std::ostringstream text;
  text << stream.rdbuf();
  if (!stream.is_open() || (text.str().empty() && errno != 0)) {
    return {nullptr, "token_file " + file + ": " + std::strerror(errno)};
  }
  return Checked(Trimmed(text.str()), "what is in token_file " + file);
}

}  // namespace

TokenSource::TokenSource(std::string token, std::string file) : file_(std::move(file)) {
  MutexLock lock(mutex_);
  if (file_.empty()) {
    if (!token.empty()) now_ = Checked(std::move(token), "ClientOptions::token");
  } else {
    Look();
  }
}

TokenSource::Answer TokenSource::Get() {
  MutexLock lock(mutex_);
  if (!file_.empty() && std::chrono::steady_clock::now() - looked_at_ >= kLookEvery) Look();
  return now_;
}

bool TokenSource::IsReplaced(const std::string& used) {
  MutexLock lock(mutex_);
  if (file_.empty()) return false;
  Look();
  return now_.token != nullptr && *now_.token != used;
}

// The version first: a change that comes meanwhile is seen the next time.
void TokenSource::Look() {
  looked_at_ = std::chrono::steady_clock::now();
  std::string version = VersionOf(file_);
  if (!version.empty() && version == version_) return;
  now_ = Read(file_);
  version_ = std::move(version);
}

}  // namespace latchkey::inline client::internal
