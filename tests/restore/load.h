// Callers that work on keys through a real server, a provider that counts what they did, and what
// they know of it all.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "latchkey/v1/coordination.grpc.pb.h"
#include <grpcpp/grpcpp.h>

namespace latchkey {

// Whom the effects are done at. Survives every server. Thread-safe.
class Provider {
 public:
  void Act(const std::string& key);
  int Effects(const std::string& key) const;
  // Keys whose effect has happened twice or more often.
  std::vector<std::string> Doubled() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, int> effects_;
};

// Callers of one server, until it is gone. Each takes key after key: locks it, acts, records.
class Load {
 public:
  // `name` begins their keys. Everything they ask for is said to be first sent now.
  Load(std::string name, const std::string& address, Provider& provider);
  // Ends with the server.
  ~Load() { Join(); }
  void Join();

  // Keys whose result was acknowledged, with its reference; and all that were begun.
  std::map<std::string, std::string> recorded() const;
  std::set<std::string> begun() const;
  std::size_t recorded_count() const { return recorded_count_.load(); }
  // Of all that were granted, the lowest and the highest.
  std::uint64_t lowest_token() const { return lowest_.load(); }
  std::uint64_t highest_token() const { return highest_.load(); }

 private:
  void Run(int caller);
  bool Do(const std::string& key);

  const std::string name_;
  Provider& provider_;
  const std::unique_ptr<v1::CoordinationService::Stub> stub_;
  std::atomic<std::size_t> recorded_count_ = 0;
  std::atomic<std::uint64_t> lowest_ = UINT64_MAX;
  std::atomic<std::uint64_t> highest_ = 0;
  mutable std::mutex mutex_;
  std::map<std::string, std::string> recorded_;
  std::set<std::string> begun_;
  std::vector<std::thread> threads_;
};

// What one call about a key came to.
v1::AcquireLockResponse AskFor(v1::CoordinationService::Stub& stub, const std::string& key,
                               const std::string& attempt, bool accept_recover);
// Whether it was acknowledged.
bool RecordSuccess(v1::CoordinationService::Stub& stub, const std::string& key,
                   std::uint64_t token);

}  // namespace latchkey
