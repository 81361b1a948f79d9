// A directory that appears all at once: it is filled under another name beside its place, and
// renamed when it is complete. What a crash leaves is that other name, never a half of it.
#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace latchkey::storage {

// Not thread-safe. Removes what was filled, unless it was finished.
class NewDirectory {
 public:
  // Makes `path`.new, to be filled. FAILED_PRECONDITION, with one line that says why, if something
  // is at `path` that is no empty directory, its parent is missing, or `path`.new is there already.
  static absl::StatusOr<NewDirectory> Begin(const std::string& path);

  NewDirectory(NewDirectory&& other) noexcept;
  NewDirectory& operator=(NewDirectory&&) = delete;
  ~NewDirectory();

  // Where to fill it.
  const std::string& path() const { return filled_at_; }
  // Syncs all of it and renames it, durably. Where there was an empty directory, what is new
  // belongs to the owner of that one.
  absl::Status Finish();

 private:
  struct Owner {
    unsigned user = 0;
    unsigned group = 0;
    unsigned mode = 0;
  };
  NewDirectory(std::string path, std::optional<Owner> owner);

  absl::Status SyncAndGive(const std::string& path, bool is_directory) const;

  std::string path_;
  std::string filled_at_;
  std::optional<Owner> owner_;  // of the empty directory that it takes the place of
  bool open_ = true;
};

}  // namespace latchkey::storage
