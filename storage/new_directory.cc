#include "storage/new_directory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

namespace latchkey::storage {
namespace {

namespace fs = std::filesystem;

absl::Status Refusal(const std::string& path, const std::string& why) {
  return absl::FailedPreconditionError("directory " + path + " " + why);
}

absl::Status Failure(const std::string& path, const std::string& doing) {
  return absl::UnavailableError(path + " cannot be " + doing + ": " + std::strerror(errno));
}

absl::Status SyncDirectory(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = file >= 0 && ::fsync(file) == 0;
  const absl::Status status = synced ? absl::OkStatus() : Failure(path, "synced");
  if (file >= 0) ::close(file);
  return status;
}

// What is there must be an empty directory.
absl::Status CheckEmpty(const std::string& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return Refusal(path, "is not a directory");
  if (fs::exists(path + "/LATCHKEY", error)) {
    return Refusal(path,
                   "holds a Latchkey store already, which stays as it is: name an empty or new "
                   "directory, or move that one away first");
  }
  const bool empty = fs::is_empty(path, error);
  if (error) return Refusal(path, "cannot be listed: " + error.message());
  if (!empty) return Refusal(path, "is not empty: name an empty or new directory");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<NewDirectory> NewDirectory::Begin(const std::string& path) {
  if (path.empty()) return absl::FailedPreconditionError("the directory has no name");
  std::string trimmed = fs::absolute(path).lexically_normal();
  while (trimmed.size() > 1 && trimmed.ends_with('/')) trimmed.pop_back();
  std::optional<Owner> owner;
  struct stat there{};
  if (::lstat(trimmed.c_str(), &there) == 0) {
    if (absl::Status empty = CheckEmpty(trimmed); !empty.ok()) return empty;
    owner = Owner{there.st_uid, there.st_gid, there.st_mode & 07777};
  }
  const std::string parent = fs::path(trimmed).parent_path();
  std::error_code error;
  if (!fs::is_directory(parent, error)) {
    return Refusal(trimmed, "cannot be created: there is no directory " + parent);
  }
  NewDirectory made(trimmed, owner);
  if (::mkdir(made.filled_at_.c_str(), owner.has_value() ? owner->mode : 0750) != 0) {
    made.open_ = false;  // it is not ours to remove
    if (errno != EEXIST) return Failure(made.filled_at_, "created");
    return Refusal(made.filled_at_,
                   "is there: another command fills it, or one was cut off; if none runs, remove "
                   "it and try again");
  }
  return made;
}

NewDirectory::NewDirectory(std::string path, std::optional<Owner> owner)
    : path_(std::move(path)), filled_at_(path_ + ".new"), owner_(owner) {}

NewDirectory::NewDirectory(NewDirectory&& other) noexcept
    : path_(std::move(other.path_)),
      filled_at_(std::move(other.filled_at_)),
      owner_(other.owner_),
      open_(std::exchange(other.open_, false)) {}

NewDirectory::~NewDirectory() {
  std::error_code error;
  if (open_) fs::remove_all(filled_at_, error);
}

absl::Status NewDirectory::SyncAndGive(const std::string& path, bool is_directory) const {
  if (owner_.has_value() && owner_->user != ::geteuid() &&
      ::lchown(path.c_str(), owner_->user, owner_->group) != 0) {
    return Failure(path, "given to the owner of " + path_);
  }
  if (is_directory) return SyncDirectory(path);
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = file >= 0 && ::fsync(file) == 0;
  const absl::Status status = synced ? absl::OkStatus() : Failure(path, "synced");
  if (file >= 0) ::close(file);
  return status;
}

absl::Status NewDirectory::Finish() {
  std::error_code error;
  fs::recursive_directory_iterator child(filled_at_, error);
  for (const fs::recursive_directory_iterator end; !error && child != end; child.increment(error)) {
    const absl::Status synced = SyncAndGive(child->path(), child->is_directory(error));
    if (!synced.ok()) return synced;
  }
  if (error) return absl::UnavailableError(filled_at_ + " cannot be listed: " + error.message());
  if (absl::Status synced = SyncAndGive(filled_at_, true); !synced.ok()) return synced;
  // Takes the place of an empty directory, and of nothing else.
  if (std::rename(filled_at_.c_str(), path_.c_str()) != 0) {
    if (errno == EBUSY) return Refusal(path_, "is a mount point: name a directory below it");
    return Failure(filled_at_, "renamed to " + path_);
  }
  open_ = false;
  return SyncDirectory(fs::path(path_).parent_path());
}

}  // namespace latchkey::storage
