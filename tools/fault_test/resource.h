// What the holders of leases act on: registers and a provider of payments, in a process of its own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace latchkey::faults {

// A connection to tools/fault_test/resource.py. One thread's. Ends the process if the resource does
// not answer: the tool that started both is then told.
class Resource {
 public:
  // The path of its socket.
  explicit Resource(const std::string& path);
  Resource(const Resource&) = delete;
  Resource& operator=(const Resource&) = delete;
  ~Resource();

  // The register's value, or nothing if it has seen a newer token.
  std::optional<std::int64_t> Read(const std::string& name, std::uint64_t fencing_token);
  // Whether it was taken.
  bool Write(const std::string& name, std::uint64_t fencing_token, std::int64_t value);
  // Charges for `name`, unless it has done so for this idempotency key; answers the reference of
  // that charge.
  std::string Charge(const std::string& name, std::uint64_t fencing_token,
                     const std::string& idempotency_key);

 private:
  // One line there and one back. Empty if refused.
  std::string Ask(const std::string& line);

  int socket_;
};

}  // namespace latchkey::faults
