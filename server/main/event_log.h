// The server's log: one line for each thing an operator may want to know, `event=... name=value
// ...`, on standard error. Keys appear as hashes unless asked for.
#pragma once

#include <string>

#include "server/partition/partition.h"

namespace latchkey {

// Sets up the log of the process. `level` is one of debug, info, warn, error.
void StartLog(const std::string& level);
void SetLogLevel(const std::string& level);

// Writes down what the partitions decide. Thread-safe.
class EventLog final : public PartitionObserver {
 public:
  explicit EventLog(bool log_keys) : log_keys_(log_keys) {}

  void OnStep(const std::string& store_key, const Step& step) override {
    Write(store_key, step, nullptr);
  }
  void OnStepOf(const Call& call, const Step& step) override { Write(call.store_key, step, &call); }
  void OnStall(Duration gap) override;
  void OnStoreAction(const v1::AuditEntry& done) override;
  void OnRoom(Room room, std::uint64_t free_bytes, std::uint64_t reserve_bytes) override;

 private:
  // `call`: whose doing it is; null: nobody's.
  void Write(const std::string& store_key, const Step& step, const Call* call) const;
  // "namespace=payments key_hash=1f3a..." or, if asked for, the key itself; and the trace of the
  // call, if its caller sent one.
  std::string Describe(const std::string& store_key, const Call* call) const;

  const bool log_keys_;
};

}  // namespace latchkey
