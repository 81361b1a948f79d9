// What a session does with a client that is slow, or gone, while its partitions work on.
#include <random>
#include <thread>
#include <vector>

#include "tests/calls/session_harness.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey {
namespace {

using Frame = v1::SessionRequest;
using std::chrono::hours;
using std::chrono::seconds;

void AddAcquire(Frame& frame, std::uint64_t call_id, const std::string& key,
                const std::string& attempt) {
  auto* call = frame.add_calls();
  call->set_call_id(call_id);
  auto* acquire = call->mutable_acquire_lock();
  acquire->set_key(key);
  acquire->set_attempt_id(attempt);
  acquire->set_holder_id(attempt);
  acquire->mutable_lease_duration()->set_seconds(60);
}

Frame Acquire(std::uint64_t call_id, const std::string& key, const std::string& attempt = "a") {
  Frame frame;
  AddAcquire(frame, call_id, key, attempt);
  return frame;
}

Frame Complete(std::uint64_t call_id, const std::string& key, std::uint64_t token,
               std::size_t payload_bytes) {
  Frame frame;
  auto* call = frame.add_calls();
  call->set_call_id(call_id);
  auto* record = call->mutable_record_result();
  record->set_key(key);
  record->set_fencing_token(token);
  record->set_outcome(v1::Result::SUCCEEDED);
  record->set_payload(std::string(payload_bytes, 'x'));
  return frame;
}

// The one reply of the frame that is being sent.
v1::SessionResponse::Reply Only(LinkedSession& client) {
  const auto frame = client.link.Next();
  EXPECT_EQ(frame.replies_size(), 1) << frame.ShortDebugString();
  client.Written();
  return frame.replies(0);
}

std::uint64_t Token(const v1::SessionResponse::Reply& reply) {
  EXPECT_TRUE(reply.acquire_lock().has_grant()) << reply.ShortDebugString();
  return reply.acquire_lock().grant().fencing_token();
}

TEST(SlowSessionTest, GrantsThatWereNotSentAreTakenBack) {
  SessionHarness harness;
  LinkedSession client(harness.environment());
  client.Send(Acquire(1, "sent"));
  client.link.Next();
  client.Send(Acquire(2, "queued"));
  harness.AwaitHeld(2);
  client.Break();
  harness.AwaitHeld(1);
  client.link.AwaitEnd();
  LinkedSession other(harness.environment());
  other.Send(Acquire(1, "sent", "b"));
  EXPECT_TRUE(Only(other).acquire_lock().has_contention()) << "that one may have arrived";
  other.Send(Acquire(2, "queued", "b"));
  EXPECT_EQ(Only(other).acquire_lock().grant().mode(), v1::Grant::EXECUTE);
}

TEST(SlowSessionTest, AGrantThatWasRepeatedToSomebodyElseStands) {
  SessionHarness harness;
  LinkedSession client(harness.environment());
  client.Send(Acquire(1, "sent"));
  client.link.Next();
  client.Send(Acquire(2, "queued"));
  harness.AwaitHeld(2);
  LinkedSession retry(harness.environment());
  retry.Send(Acquire(1, "queued"));
  const std::uint64_t token = Token(Only(retry));
  client.Break();
  client.link.AwaitEnd();
  retry.Send(Complete(2, "queued", token, 10));
  EXPECT_TRUE(Only(retry).has_record_result());
}

TEST(SlowSessionTest, WhatMayBeInFlightToOneIsNotForAll) {
  Limits limits;
  limits.reply_bytes_in_flight = 100'000;
  limits.session_reply_bytes = 50'000;
  SessionHarness harness(limits);
  LinkedSession client(harness.environment());
  client.Send(Acquire(1, "k"));
  client.Send(Complete(2, "k", Token(Only(client)), 30'000));
  EXPECT_TRUE(Only(client).has_record_result());
  // One is on its way, and the next does not fit beside it.
  client.Send(Acquire(3, "k"));
  client.link.Next();
  for (std::uint64_t i = 4; i < 10; ++i) client.Send(Acquire(i, "k"));
  LinkedSession other(harness.environment());
  for (std::uint64_t i = 1; i < 10; ++i) {
    other.Send(Acquire(i, "k"));
    EXPECT_TRUE(Only(other).acquire_lock().has_completed());
  }
  // All come, in the end.
  for (int replies = 0; replies < 6;) {
    client.Written();
    replies += client.link.Next().replies_size();
  }
  client.Break();
  client.link.AwaitEnd();
}

TEST(SlowSessionTest, IsHeldBackByHeartbeatsThatAreNotAnswered) {
  Limits limits;
  limits.session_calls = 3'000;
  SessionHarness harness(limits);
  LinkedSession client(harness.environment());
  Frame frame;
  for (int i = 0; i < 4'000; ++i) {
    auto* lease = frame.mutable_heartbeat()->add_leases();
    lease->set_key("k" + std::to_string(i));
    lease->set_fencing_token(1);
  }
  int held_back = 0;
  for (int i = 0; i < 50; ++i) {
    const int reads = client.link.reads();
    const bool reads_on = client.Send(frame);
    EXPECT_EQ(client.link.Next().heartbeats_size(), 1);
    client.Written();
    // Either the answer was there already, or it has let the session read on.
    held_back += reads_on ? 0 : 1;
    EXPECT_EQ(client.link.reads(), reads + (reads_on ? 0 : 1));
  }
  EXPECT_GT(held_back, 0);
  client.Break();
  client.link.AwaitEnd();
}

TEST(SlowSessionTest, IsBrokenWhenItDoesNotReadForLong) {
  SessionHarness harness;
  LinkedSession client(harness.environment());
  const MonotonicTime begin = SystemClock().Monotonic();
  client.session->BreakIfNotRead(begin + hours(1), seconds(30));
  EXPECT_EQ(client.link.breaks(), 0) << "nothing is being sent";
  client.Send(Acquire(1, "k"));
  client.link.Next();
  client.session->BreakIfNotRead(begin + seconds(29), seconds(30));
  EXPECT_EQ(client.link.breaks(), 0);
  client.session->BreakIfNotRead(begin + hours(1), seconds(30));
  EXPECT_EQ(client.link.breaks(), 1);
  client.Break();
  client.link.AwaitEnd();
}

TEST(SlowSessionTest, ACancelIsHeardAlsoWhenNothingElseIs) {
  SessionHarness harness;
  LinkedSession holder(harness.environment());
  holder.Send(Acquire(1, "k"));
  Token(Only(holder));
  LinkedSession client(harness.environment());
  Frame wait = Acquire(7, "k", "b");
  wait.mutable_calls(0)->mutable_acquire_lock()->mutable_wait_timeout()->set_seconds(60);
  client.Send(wait);
  client.session->Drain();
  Frame late = Acquire(8, "other");
  late.add_calls()->mutable_cancel()->set_call_id(7);
  EXPECT_FALSE(client.Send(late));
  const auto reply = Only(client);
  EXPECT_EQ(reply.call_id(), 7);
  EXPECT_TRUE(reply.has_refusal());
  client.link.AwaitEnd();
  holder.Break();
  holder.link.AwaitEnd();
}

// Sends and receives on threads of their own, and ends in one of four ways at any moment.
class RacingClient {
 public:
  RacingClient(const SessionHarness& harness, std::string name, unsigned seed)
      : client_(harness.environment()), name_(std::move(name)), random_(seed) {}

  void Run() {
    std::thread network([this] { Deliver(); });
    const int frames = static_cast<int>(random_() % 20);
    for (int i = 0; i < frames; ++i) SendSome(i);
    switch (random_() % 4) {
      case 0:
        client_.session->OnBroken();
        break;
      case 1:
        client_.session->OnRefused({v1::Refusal::FRAME_MALFORMED, "garbage", {}, {}});
        break;
      case 2:
        client_.session->OnHalfClosed();
        break;
      default:
        client_.session->Drain();
    }
    client_.link.AwaitEnd();
    ended_ = true;
    network.join();
  }

  // Of which there is a reply that was sent.
  int granted() const { return granted_; }
  int bad() { return client_.link.bad(); }

 private:
  void SendSome(int frame_number) {
    Frame frame;
    for (int i = 0; i < 8; ++i) {
      const std::string key = name_ + ":" + std::to_string(8 * frame_number + i);
      AddAcquire(frame, static_cast<std::uint64_t>(8 * frame_number + i), key, "a");
    }
    client_.Send(frame);
  }
  void Deliver() {
    while (!ended_) {
      const auto frame = client_.link.NextIfAny();
      if (!frame.has_value()) {
        std::this_thread::yield();
        continue;
      }
      for (const auto& reply : frame->replies()) {
        granted_ += reply.acquire_lock().has_grant() ? 1 : 0;
      }
      client_.Written();
    }
  }

  LinkedSession client_;
  const std::string name_;
  std::minstd_rand random_;
  std::atomic<int> granted_ = 0;
  std::atomic<bool> ended_ = false;
};

TEST(SlowSessionTest, HoweverItEndsTheGrantsThatStandAreThoseThatWereSent) {
  SessionHarness harness;
  int granted = 0;
  for (unsigned round = 0; round < 100; ++round) {
    std::vector<std::unique_ptr<RacingClient>> clients;
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < 3; ++i) {
      const std::string name = "r" + std::to_string(round) + "c" + std::to_string(i);
      clients.push_back(std::make_unique<RacingClient>(harness, name, 3 * round + i));
      threads.emplace_back([client = clients.back().get()] { client->Run(); });
    }
    for (std::thread& thread : threads) thread.join();
    for (const auto& client : clients) {
      granted += client->granted();
      EXPECT_EQ(client->bad(), 0);
    }
    harness.AwaitHeld(granted);
  }
  EXPECT_GT(granted, 1'000);
}

}  // namespace
}  // namespace latchkey
