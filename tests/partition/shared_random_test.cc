// Random calls through several servers over one store, while some of them hear nothing, some stand
// still, some die, and commits go wrong: whatever a caller was told must be so.

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "tests/partition/shared_servers.h"
#include <gtest/gtest.h>

namespace latchkey {
namespace {

using State = v1::CheckResultResponse;

constexpr std::size_t kServers = 3;
constexpr int kKeys = 3;
constexpr int kSteps = 400;
constexpr int kSeeds = 60;

// Somebody who was granted a key, and what it believes.
struct Holder {
  std::string key;
  std::string attempt;
  std::uint64_t token = 0;
  MonotonicTime safe_until;
  bool ended = false;  // it has said so, heard or not
};

class SharedRandomRun {
 public:
  explicit SharedRandomRun(std::uint64_t seed) : random_(seed) {
    for (std::size_t i = 0; i < kServers; ++i) Replace(i);
  }

  void Step() {
    switch (Pick(12)) {
      case 0:
      case 1:
      case 2:
        return Take();
      case 3:
        return Repeat();
      case 4:
      case 5:
        return Renewal();
      case 6:
        return Result();
      case 7:
        return GiveBack();
      case 8:
        return Read();
      case 9:
        return Trouble();
      default:
        return Pass(std::chrono::milliseconds(50 + Pick(600)));
    }
  }

  // Everybody hears and moves again; after a while every call has its answer.
  void Heal() {
    for (std::size_t i = 0; i < kServers; ++i) {
      frozen_[i] = false;
      servers_[i]->deaf = false;
      servers_[i]->next_commits.clear();
    }
    for (int i = 0; i < 400; ++i) Pass(100ms);
    for (const auto& [server, call] : waiting_) EXPECT_TRUE(call->finished());
    for (const auto& server : servers_) EXPECT_EQ(server->waiters(), 0u);
    for (int key = 0; key < kKeys; ++key) {
      EXPECT_NE(ReadAt(*servers_[0], Key(key)), State::HELD) << "no holder is left";
    }
  }

  int grants = 0;
  int replays = 0;
  int renewals = 0;
  int results = 0;
  int unknown = 0;

 private:
  std::uint64_t Pick(std::uint64_t below) { return random_() % below; }
  static std::string Key(std::uint64_t number) { return "k" + std::to_string(number); }
  std::string AnyKey() { return Key(Pick(kKeys)); }

  void Replace(std::size_t place) {
    std::erase_if(waiting_, [&](const auto& one) { return one.first == servers_[place].get(); });
    servers_[place].reset();
    servers_[place] = std::make_unique<SharedServer>(world_);
    frozen_[place] = false;
  }
  // One that moves; null if none does.
  SharedServer* AnyServer() {
    const std::size_t first = Pick(kServers);
    for (std::size_t i = 0; i < kServers; ++i) {
      const std::size_t place = (first + i) % kServers;
      if (!frozen_[place]) return servers_[place].get();
    }
    return nullptr;
  }

  void Pass(Duration time) {
    while (time > Duration::zero()) {
      const Duration step = std::min<Duration>(time, 100ms);
      world_.clock.Advance(step);
      time -= step;
      for (std::size_t i = 0; i < kServers; ++i) {
        if (frozen_[i]) continue;
        servers_[i]->Run();
        LookAtWaiting();
      }
    }
  }

  v1::AcquireLockRequest Request(const std::string& key, const std::string& attempt) {
    v1::AcquireLockRequest request =
        Pick(2) == 0 ? Acquire(key, attempt, std::chrono::milliseconds(500 + Pick(2'000)))
                     : Await(key, attempt, std::chrono::milliseconds(500 + Pick(3'000)));
    request.set_accept_recover(Pick(4) != 0);
    if (Pick(3) == 0) request.set_on_lapse(v1::AcquireLockRequest::FORGET);
    return request;
  }

  void Ask(const v1::AcquireLockRequest& request) {
    SharedServer* const server = AnyServer();
    if (server == nullptr) return;
    AcquireCall& call = server->Do(request);
    asked_.push_back(request);
    waiting_.emplace_back(server, &call);
    floor_[&call] = highest_;
    LookAtWaiting();
  }
  void Take() { Ask(Request(AnyKey(), "a" + std::to_string(++attempts_))); }
  void Repeat() {
    if (!asked_.empty()) Ask(asked_[Pick(asked_.size())]);
  }

  void LookAtWaiting() {
    for (auto place = waiting_.begin(); place != waiting_.end();) {
      AcquireCall& call = *place->second;
      if (!call.finished()) {
        ++place;
        continue;
      }
      if (call.granted()) Believe(call);
      if (call.completed() && call.shared() == nullptr) {
        SeeResult(call.request().key(), call.response().completed().result().provider_reference());
      }
      unknown += call.reason() == v1::Refusal::STORAGE_UNAVAILABLE ? 1 : 0;
      floor_.erase(&call);
      place = waiting_.erase(place);
    }
  }

  void Believe(AcquireCall& call) {
    const std::string& key = call.request().key();
    const auto now = world_.clock.Monotonic();
    const MonotonicTime until = call.arrived + call.LeaseSinceArrival();
    const auto known = std::ranges::find(holders_, call.token(), &Holder::token);
    if (known != holders_.end()) {
      EXPECT_TRUE(call.grant().replayed()) << "a token was given twice";
      EXPECT_EQ(known->attempt, call.request().attempt_id());
      known->safe_until = std::max(known->safe_until, until);
      ++replays;
      return;
    }
    ++grants;
    EXPECT_FALSE(results_.contains(key)) << "granted after a result was seen";
    if (!call.grant().replayed()) {
      EXPECT_GT(call.token(), floor_.at(&call)) << "asked for after another was answered";
    }
    for (const Holder& other : holders_) {
      if (other.key != key || other.ended || other.token > call.token()) continue;
      EXPECT_LE(other.safe_until, now) << key << ": " << other.token << " still believes, and "
                                       << call.token() << " was granted";
    }
    highest_ = std::max(highest_, call.token());
    holders_.push_back({key, call.request().attempt_id(), call.token(), until});
  }

  Holder* AnyHolder() { return holders_.empty() ? nullptr : &holders_[Pick(holders_.size())]; }

  void Renewal() {
    Holder* const holder = AnyHolder();
    SharedServer* const server = AnyServer();
    if (holder == nullptr || server == nullptr) return;
    auto& call = Pick(3) == 0 ? server->Do(RenewFor(holder->key, holder->token,
                                                    std::chrono::milliseconds(300 + Pick(3'000))))
                              : server->Do(Renew(holder->key, holder->token));
    if (call.ok()) {
      ++renewals;
      holder->safe_until = std::max(holder->safe_until, call.arrived + call.LeaseSinceArrival());
    }
    LookAtWaiting();  // which may add holders, and move them
  }

  void Result() {
    Holder* const holder = AnyHolder();
    SharedServer* const server = AnyServer();
    if (holder == nullptr || server == nullptr || Pick(4) != 0) return;
    holder->ended = true;
    const std::string reference = "r" + std::to_string(holder->token);
    const std::string key = holder->key;
    const auto& call = server->Do(Succeed(key, holder->token, reference));
    LookAtWaiting();  // which may add holders, and move them
    if (call.ok()) SeeResult(key, reference);
  }

  void GiveBack() {
    Holder* const holder = AnyHolder();
    SharedServer* const server = AnyServer();
    if (holder == nullptr || server == nullptr) return;
    holder->ended = true;
    const auto effect =
        Pick(3) == 0 ? v1::ReleaseRequest::UNKNOWN : v1::ReleaseRequest::NOT_EXECUTED;
    server->Do(Release(holder->key, holder->token, effect));
    LookAtWaiting();
  }

  void SeeResult(const std::string& key, const std::string& reference) {
    const auto [seen, first] = results_.emplace(key, reference);
    EXPECT_EQ(seen->second, reference) << "a result changed";
    results += first ? 1 : 0;
  }

  State::State ReadAt(SharedServer& server, const std::string& key) {
    const auto& call = server.Do(Check(key));
    LookAtWaiting();
    if (!call.ok()) return State::STATE_UNSPECIFIED;
    if (call.response().state() == State::COMPLETED) {
      SeeResult(key, call.response().result().provider_reference());
    } else {
      EXPECT_FALSE(results_.contains(key)) << "a result is not seen any more";
    }
    return call.response().state();
  }
  void Read() {
    if (SharedServer* const server = AnyServer()) ReadAt(*server, AnyKey());
  }

  void Trouble() {
    const std::size_t place = Pick(kServers);
    switch (Pick(8)) {
      case 0:
        return Replace(place);
      case 1:
        frozen_[place] = !frozen_[place];
        return;
      case 2:
      case 3:
        servers_[place]->deaf = !servers_[place]->deaf;
        return;
      case 4:
      case 5: {
        const auto time = std::chrono::milliseconds(Pick(3'000));
        servers_[place]->before_commit = [this, time] { world_.clock.Advance(time); };
        return;
      }
      default:
        servers_[place]->next_commits.push_back(Pick(2) == 0 ? storage::Fault::kFailBefore
                                                             : storage::Fault::kFailAfter);
    }
  }

  std::mt19937_64 random_;
  SharedWorld world_;
  std::unique_ptr<SharedServer> servers_[kServers];
  bool frozen_[kServers] = {};
  std::vector<v1::AcquireLockRequest> asked_;
  std::vector<std::pair<SharedServer*, AcquireCall*>> waiting_;
  // The highest token that was answered when a call was made.
  std::map<const AcquireCall*, std::uint64_t> floor_;
  std::uint64_t highest_ = 0;
  std::vector<Holder> holders_;
  std::map<std::string, std::string> results_;
  int attempts_ = 0;
};

TEST(SharedRandomTest, WhatAnyServerSaysIsSoOnAllOfThem) {
  int grants = 0;
  int replays = 0;
  int renewals = 0;
  int results = 0;
  int unknown = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SharedRandomRun run(seed);
    for (int step = 0; step < kSteps && !testing::Test::HasFailure(); ++step) run.Step();
    if (!testing::Test::HasFailure()) run.Heal();
    grants += run.grants;
    replays += run.replays;
    renewals += run.renewals;
    results += run.results;
    unknown += run.unknown;
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GT(grants, kSeeds);
  EXPECT_GT(replays, 10);
  EXPECT_GT(renewals, kSeeds);
  EXPECT_GT(results, 10);
  EXPECT_GT(unknown, 10);
}

}  // namespace
}  // namespace latchkey
