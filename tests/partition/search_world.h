// One state of the search: a partition, and what its callers know.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/partition/partition_harness.h"
#include "tests/partition/search.h"

namespace latchkey::search {

inline constexpr Duration kTick = std::chrono::milliseconds(100);
inline constexpr Duration kLease = 2 * kTick;
inline constexpr Duration kLongerLease = 3 * kTick;
inline constexpr Duration kWait = 3 * kTick;
inline constexpr int kTicksPerBatchMax = 2;  // fewer than make a stall
inline constexpr std::size_t kTokensMax = 8;
inline constexpr std::size_t kAttemptsMax = 6;
inline constexpr char kKey[] = "k";

std::string AttemptId(int attempt, const Scope& scope);

// A record without what decides nothing within hours.
std::string WhatDecides(const std::optional<storage::v1::Record>& record);

// What is broken.
struct Finding {
  std::string name;
  std::string sentence;
};

class World {
 public:
  World(Server& server, const Scope& scope);

  // What may happen next.
  std::vector<Move> Moves() const;
  // Makes it happen.
  void Make(const Move& move);
  const std::optional<Finding>& finding() const { return finding_; }
  // The same for states that are taken for one.
  std::string Encode();

  // For Server.
  PartitionHarness& harness() { return harness_; }
  RememberingCall& call(std::size_t pending) { return *pending_[pending].call; }

 private:
  using State = v1::CheckResultResponse;

  // A call that was not finished when last looked at.
  struct Pending : CallByKind {
    using CallByKind::CallByKind;
    Move move;
    MonotonicTime gives_up;
    std::uint64_t place = 0;
    bool waits = false;           // it was not finished by the batch that it came with
    bool left = false;            // its caller has gone away, as the world knows
    bool came_to_accept = false;  // it repeats one that does not accept a key in doubt
    bool barred = false;          // it must not be granted by the batch at hand (L9)
  };
  struct Token {
    int attempt = -1;  // whose it is; -1: nobody was told yet
    bool told = false;
    bool seen = false;               // a call carried it, and was not refused
    bool ended = false;              // it held the key no more when last looked at
    bool may_act = false;            // its holder has acted, or may
    bool stopping = false;           // a call of the batch at hand gives it up
    MonotonicTime believed_until{};  // by its holder
  };

  // Moves.
  void AddAcquires(std::vector<Move>* moves) const;
  void AddTokenMoves(std::uint64_t token, std::vector<Move>* moves) const;
  void AddAdminMoves(std::vector<Move>* moves) const;
  void AddEndings(std::vector<Move>* moves) const;
  std::size_t Copies(int attempt) const;
  std::uint64_t newest() const { return stored_ ? stored_->fencing_token() : 0; }
  State::State state() const { return stored_ ? stored_->state() : State::ABSENT; }

  // Making them.
  void Ask(const Move& move);
  v1::AcquireLockRequest AcquireOf(const Move& move) const;
  template <class Request>
  Pending& Submit(const Move& move, Request request);
  void PromiseNotToAct(const Move& move);
  void Cancel(int attempt);
  const RememberingCall* WhoGoes(const Move& move) const;
  void Process(const Move& move);
  void Crash();
  void OnStep(const Step& step);

  // Checking.
  void Violated(const char* name, std::string sentence);
  void CheckDuringCommit();
  void CheckAnswers();
  void CheckAnswer(const Pending& pending);
  void CheckFailed(const Pending& pending);
  void CheckGrant(const Pending& pending);
  void Tell(const Pending& pending);
  void CheckOrder(const Pending& granted);
  void CheckRenewal(const Pending& pending);
  void CheckRecorded(const Pending& pending);
  void CheckStaleToken(const Pending& pending);
  void CheckFingerprint(const Pending& pending);
  void CheckBelievers();
  void CheckQueue();
  void CheckResult();
  void CheckCounts();
  void InheritPlaces();
  void EndSuperseded();
  void Look();
  void Forget();

  Server& server_;
  const Scope scope_;
  PartitionHarness harness_;
  std::optional<Finding> finding_;

  std::vector<Pending> pending_;
  std::array<Token, kTokensMax + 1> tokens_{};
  // By attempt: the on_lapse that it asks for, 0 before its first call; and whether it gave up, so
  // that an answer reaches nobody.
  std::array<std::uint8_t, kAttemptsMax> asked_lapse_{};
  std::array<bool, kAttemptsMax> gone_{};
  std::uint64_t highest_ = 0;
  std::uint64_t places_ = 0;
  int queued_ = 0;
  int ticks_ = 0;                              // since the last batch
  MonotonicTime lease_until_{};                // of the key, as the partition has it
  std::optional<storage::v1::Record> stored_;  // after the last batch
  std::string result_;                         // acknowledged
  std::set<std::string> ended_;                // attempts that are refused
  std::string former_;                         // see EndedAttempts

  // The batch at hand.
  std::uint64_t highest_before_ = 0;
  std::optional<storage::v1::Record> stored_before_;
  std::vector<Move> batch_;  // what is queued, in order
  bool deleting_ = false;    // an operator's call in it
  std::set<std::uint64_t> lapsed_;
  // In order: an attempt that lost the key without its word; nothing: a grant was made.
  std::vector<std::optional<std::string>> turns_;
  int works_ = 0;
  MonotonicTime lease_until_before_{};
  int commits_ = 0;
  const RememberingCall* going_ = nullptr;  // its caller goes away during the commit
};

}  // namespace latchkey::search
