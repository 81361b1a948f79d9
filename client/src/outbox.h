// Outcomes on disk: what a process knew and the service had not confirmed when the process ended.
//
//   <directory>/.<process id>-<random>/     of an Outbox that is being opened
//   <directory>/<process id>-<random>/      of one Outbox, and written by no other
//     lock                                  locked (flock) by the Outbox that works with this
//     <number>.outcome                      one outcome, complete and synced
//     <number>.new                          one being written; what a crash leaves of it
//     <number>.damaged, <number>.refused    set aside for people, never read again and never
//     deleted
//
// A file is a line that names the format, the SHA-256 of the rest, and the rest: a serialised
// RecordResultRequest.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "latchkey/answer.h"
#include "latchkey/v1/coordination.pb.h"

namespace latchkey::inline client::internal {

// Thread-safe. Lets go of its directories when destroyed, and removes those with nothing left.
class Outbox {
 public:
  // Makes `directory`, if its parent exists, and a directory of its own in it.
  static Answer<std::shared_ptr<Outbox>> Open(const std::string& directory, std::uint64_t random);
  ~Outbox();
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;

  // Takes over the directories whose processes are no more, and returns the outcomes in them. Those
  // without any, or without any by now, are removed, unless something was set aside there. To be
  // called again from time to time, by one thread at a time.
  std::vector<std::string> TakeOver();

  // Returns the name of the file that holds `request` durably, or what went wrong.
  Answer<std::string> Write(const v1::RecordResultRequest& request);
  // Null when it is damaged.
  std::optional<v1::RecordResultRequest> Read(const std::string& file);
  void Remove(const std::string& file);
  // Gives it the ending `.<why>`. Returns a sentence about it.
  std::string SetAside(const std::string& file, const std::string& why);

 private:
  // A directory, and the descriptor that holds its lock.
  struct Claim {
    std::string path;
    int lock;
  };

  Outbox(std::string directory, Claim own);

  const std::string directory_;
  // This process's.
  const Claim own_;
  // TakeOver's alone.
  std::vector<Claim> inherited_;
  std::atomic<std::uint64_t> last_number_ = 0;
};

}  // namespace latchkey::inline client::internal
