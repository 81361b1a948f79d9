#include "outbox.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <utility>

#include <openssl/sha.h>

namespace latchkey::inline client::internal {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFormat = "latchkey outcome 1\n";
constexpr std::size_t kFileMax = std::size_t{4} << 20;

// Opening an outbox takes no longer, unless its process has died of it.
constexpr std::chrono::hours kOpeningMax(1);

Error Failure(const std::string& what, const std::string& path) {
  return {.kind = Error::Kind::kUnavailable,
          .reason = "",
          .message = "outbox: cannot " + what + " " + path + ": " + std::strerror(errno)};
}

std::string Digest(std::string_view bytes) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
         reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

// Makes what was done to the names in a directory durable.
bool SyncDirectory(const std::string& path) {
  const int directory = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return false;
  const bool synced = fsync(directory) == 0;
  close(directory);
  return synced;
}

bool WriteAll(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

// A synced file with these bytes, or none.
bool WriteSynced(const std::string& path, std::string_view bytes) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) return false;
  const bool written = WriteAll(file, bytes) && fsync(file) == 0;
  const int why = errno;
  close(file);
  if (!written) unlink(path.c_str());
  errno = why;
  return written;
}

// The descriptor of the lock, which is held until that is closed or its last process ends; -1 if
// somebody else holds it.
int Lock(const std::string& directory) {
  const int lock = open((directory + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0) return -1;
  if (flock(lock, LOCK_EX | LOCK_NB) == 0) return lock;
  close(lock);
  return -1;
}

// What is in the directory; null if it could not be read to its end.
std::optional<std::vector<fs::path>> EntriesOf(const std::string& directory) {
  std::vector<fs::path> entries;
  std::error_code error;
  // Not with ++, which throws.
  for (fs::directory_iterator entry(directory, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    entries.push_back(entry->path());
  }
  if (error) return std::nullopt;
  return entries;
}

// Whether Open gave it its name, which it has for good now, or has begun with so long ago that it
// will not come to that. Other things in an outbox are not ours to touch.
bool IsForTakingOver(const fs::path& path) {
  std::string name = path.filename();
  const bool hidden = name.starts_with('.');
  if (hidden) name.erase(0, 1);
  const std::size_t dash = name.find('-');
  if (dash == std::string::npos || name.size() != dash + 17) return false;
  if (name.find_first_not_of("0123456789abcdef-") != std::string::npos) return false;
  if (!hidden) return true;
  std::error_code unknown;
  const auto changed = fs::last_write_time(path, unknown);
  return !unknown && changed < fs::file_time_type::clock::now() - kOpeningMax;
}

// Removes the directory if nothing but its lock is left in it, and unlocks it.
void LetGo(const std::string& directory, int lock) {
  const auto entries = EntriesOf(directory);
  const bool empty = entries && entries->size() == 1;
  if (empty && unlink((directory + "/lock").c_str()) == 0) rmdir(directory.c_str());
  close(lock);
}

// Null if the directory could not be read.
std::optional<std::vector<std::string>> OutcomesIn(const std::string& directory) {
  const auto entries = EntriesOf(directory);
  if (!entries) return std::nullopt;
  std::vector<std::string> files;
  for (const fs::path& path : *entries) {
    const fs::path ending = path.extension();
    if (ending == ".outcome" || ending == ".new") files.push_back(path);
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

Answer<std::shared_ptr<Outbox>> Outbox::Open(const std::string& directory, std::uint64_t random) {
  const bool made = mkdir(directory.c_str(), 0700) == 0;
  if (!made && errno != EEXIST) return Failure("make", directory);
  // Also where it is there: whoever made it may not have come to that. It need not be ours to read.
  const std::string parent = directory + "/..";
  if (!SyncDirectory(parent) && made) return Failure("sync", parent);
  std::array<char, 64> name;
  std::snprintf(name.data(), name.size(), "%d-%016llx", static_cast<int>(getpid()),
                static_cast<unsigned long long>(random));
  // Under a name that nobody takes over until it is locked.
  const std::string hidden = directory + "/." + name.data();
  const std::string path = directory + "/" + name.data();
  if (mkdir(hidden.c_str(), 0700) != 0) return Failure("make", hidden);
  const int lock = Lock(hidden);
  if (lock < 0) return Failure("lock", hidden);
  if (rename(hidden.c_str(), path.c_str()) != 0 || !SyncDirectory(directory)) {
    const Error error = Failure("make", path);
    close(lock);
    return error;
  }
  return std::shared_ptr<Outbox>(new Outbox(directory, {path, lock}));
}

Outbox::Outbox(std::string directory, Claim own)
    : directory_(std::move(directory)), own_(std::move(own)) {}

Outbox::~Outbox() {
  for (const Claim& claim : inherited_) LetGo(claim.path, claim.lock);
  LetGo(own_.path, own_.lock);
}

std::vector<std::string> Outbox::TakeOver() {
  std::erase_if(inherited_, [](const Claim& claim) {
    const auto outcomes = OutcomesIn(claim.path);
    const bool done = outcomes && outcomes->empty();
    if (done) LetGo(claim.path, claim.lock);
    return done;
  });
  std::vector<std::string> files;
  for (const fs::path& path : EntriesOf(directory_).value_or(std::vector<fs::path>())) {
    if (path == own_.path || !IsForTakingOver(path)) continue;
    const int lock = Lock(path);
    if (lock < 0) continue;
    // Looked at only now: until just now it may have been somebody else's.
    const auto outcomes = OutcomesIn(path).value_or(std::vector<std::string>());
    if (outcomes.empty()) {
      LetGo(path, lock);
      continue;
    }
    inherited_.push_back({path, lock});
    files.insert(files.end(), outcomes.begin(), outcomes.end());
  }
  return files;
}

Answer<std::string> Outbox::Write(const v1::RecordResultRequest& request) {
  const std::string content = request.SerializeAsString();
  std::array<char, 32> number;
  std::snprintf(number.data(), number.size(), "/%012llu",
                static_cast<unsigned long long>(++last_number_));
  const std::string stem = own_.path + number.data();
  const std::string unfinished = stem + ".new";
  std::string file = stem + ".outcome";
  const std::string bytes = std::string(kFormat) + Digest(content) + content;
  if (!WriteSynced(unfinished, bytes)) return Failure("write", unfinished);
  if (rename(unfinished.c_str(), file.c_str()) != 0) return Failure("rename", unfinished);
  if (!SyncDirectory(own_.path)) return Failure("sync", own_.path);
  return file;
}

std::optional<v1::RecordResultRequest> Outbox::Read(const std::string& file) {
  std::error_code unknown;
  const auto size = fs::file_size(file, unknown);
  constexpr std::size_t kHeader = kFormat.size() + SHA256_DIGEST_LENGTH;
  if (unknown || size < kHeader || size > kFileMax) return std::nullopt;
  std::string bytes(size, '\0');
  std::ifstream stream(file, std::ios::binary);
  if (!stream.read(bytes.data(), static_cast<std::streamsize>(size))) return std::nullopt;
  const std::string_view content = std::string_view(bytes).substr(kHeader);
  if (!bytes.starts_with(kFormat) ||
      std::string_view(bytes).substr(kFormat.size(), SHA256_DIGEST_LENGTH) != Digest(content)) {
    return std::nullopt;
  }
  v1::RecordResultRequest request;
  if (!request.ParseFromString(std::string(content))) return std::nullopt;
  return request;
}

void Outbox::Remove(const std::string& file) {
  // Not synced: what comes back after a crash is delivered again and answered as recorded.
  unlink(file.c_str());
}

std::string Outbox::SetAside(const std::string& file, const std::string& why) {
  const std::string aside = fs::path(file).replace_extension(why);
  if (rename(file.c_str(), aside.c_str()) != 0) return Failure("set aside", file).message;
  return "outbox: an outcome was set aside as " + aside;
}

}  // namespace latchkey::inline client::internal
