// Bytes as the config file: settings that can be used, or one line that names the file and says
// what is wrong with it.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "server/main/settings.h"
#include "tests/fuzz/violation.h"

namespace latchkey::fuzz {
namespace {

// A file in memory.
class ConfigFile {
 public:
  ConfigFile() : file_(memfd_create("config", 0)) {
    if (file_ < 0) std::abort();
    path_ = "/proc/self/fd/" + std::to_string(file_);
  }
  void Write(const std::uint8_t* data, std::size_t size) const {
    const bool written = ftruncate(file_, 0) == 0 && pwrite(file_, data, size, 0) >= 0;
    if (!written) std::abort();
  }
  const std::string& path() const { return path_; }

 private:
  int file_;
  std::string path_;
};

void MustBeUsable(const NamespaceSettings& settings) {
  const Limits limits;
  const bool good = settings.payload_retention >= Duration::zero() &&
                    settings.payload_retention <= settings.key_retention &&
                    settings.downstream_key_ttl >= Duration::zero() &&
                    settings.lease_duration_max >= limits.lease_duration_min &&
                    settings.lease_duration_max <= limits.lease_duration_max &&
                    settings.live_records_max > 0;
  if (!good) Violated("S2", "settings of a namespace are out of range");
}

void MustBeUsable(const Settings& settings) {
  const ServerOptions& server = settings.server;
  const bool good = server.partitions >= 1 && server.partitions <= 64 &&
                    server.limits.payload_bytes <= kPayloadBytesMax &&
                    server.limits.waiters_per_key <= kWaitersPerKeyMax &&
                    settings.drain_timeout >= Duration::zero();
  if (!good) Violated("S2", "settings are out of range");
  MustBeUsable(server.namespaces.others());
  for (const auto& [name, of_namespace] : server.namespaces.named()) MustBeUsable(of_namespace);
}

void MustBeClear(const absl::Status& refused, const std::string& path) {
  const std::string message(refused.message());
  if (!absl::IsInvalidArgument(refused)) Violated("S2", "a refusal of another kind: " + message);
  if (!message.starts_with(path + ":")) Violated("S2", "the file is not named: " + message);
  if (message.size() <= path.size() + 3) Violated("S2", "nothing is said: " + message);
  for (const char byte : message) {
    const auto code = static_cast<unsigned char>(byte);
    if (code < ' ' || code == 0x7F) Violated("S2", "not one line of text: " + message);
  }
}

}  // namespace
}  // namespace latchkey::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const latchkey::fuzz::ConfigFile file;
  file.Write(data, size);
  const char* const arguments[] = {"latchkeyd", "--config", file.path().c_str()};
  const auto read = latchkey::ReadSettings(3, arguments);
  if (!read.ok()) {
    latchkey::fuzz::MustBeClear(read.status(), file.path());
  } else {
    latchkey::fuzz::MustBeUsable(std::get<latchkey::Settings>(*read));
  }
  return 0;
}
