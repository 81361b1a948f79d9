#include "session.h"

#include <algorithm>
#include <utility>

#include "failure.h"

namespace latchkey::inline client::internal {
namespace {

using grpc::StatusCode;
using std::chrono::nanoseconds;

constexpr nanoseconds kTick = std::chrono::milliseconds(20);
// What is above that waits here, so that there is always room for what ends something.
constexpr std::size_t kUnansweredMax = kSessionCalls - 2 * kFrameCalls;
constexpr std::size_t kUnsentBytesMax = 16 * kFrameBytes;

// Rounded up.
std::int64_t TickOf(BootClock::time_point time) { return time.time_since_epoch() / kTick + 1; }

// Which of a stream's ends say the same of its calls. Any other says that it is broken: whether
// they were decided is not known.
CallStatus EndOfCalls(const CallStatus& stream) {
  switch (stream.code) {
    case StatusCode::UNAVAILABLE:
    case StatusCode::UNAUTHENTICATED:
    case StatusCode::PERMISSION_DENIED:
      return stream;
    default:
      return {StatusCode::UNAVAILABLE, "the session's stream ended: " + stream.message, ""};
  }
}

}  // namespace

std::uint64_t Session::NextCallId() {
  MutexLock lock(mutex_);
  return ++last_call_id_;
}

void Session::Start(Message message, std::unique_ptr<SessionCall> call, const TryLimits& limits,
                    const OpenSessionStream& open) {
  const std::uint64_t call_id = message.call_id;
  if (limits.stop.stop_possible()) {
    call->stop.emplace(limits.stop, [weak = weak_from_this(), runtime = runtime_, call_id] {
      runtime->RunAt(runtime->Now(), [weak, call_id] {
        if (const auto self = weak.lock()) self->End(call_id, {StatusCode::CANCELLED, "stopped"});
      });
    });
  }
  Take(std::move(message), call, limits.timeout, open);
  if (call != nullptr) return call->Fail({StatusCode::CANCELLED, "the client is closed"});
  // It may have been asked before the call could be found.
  if (limits.stop.stop_requested()) End(call_id, {StatusCode::CANCELLED, "stopped"});
  Flush();
}

void Session::Take(Message message, std::unique_ptr<SessionCall>& call, nanoseconds timeout,
                   const OpenSessionStream& open) {
  MutexLock lock(mutex_);
  if (closed_) return;
  call->tick = TickOf(runtime_->Now() + timeout);
  auto& same_tick = deadlines_[call->tick];
  call->place = same_tick.insert(same_tick.end(), message.call_id);
  call->held_back = message.holds_back && MustHoldBack();
  const bool held_back = call->held_back;
  calls_.emplace(message.call_id, std::move(call));
  Arm();
  if (held_back) {
    ++held_back_calls_;
    held_back_.push_back(std::move(message));
  } else {
    Send(message);
  }
  if (stream_ == nullptr) stream_ = open(shared_from_this());
}

bool Session::MustHoldBack() const {
  return calls_.size() - held_back_calls_ >= kUnansweredMax || output_.bytes() > kUnsentBytesMax;
}

void Session::Send(const Message& message) {
  auto& frame = output_.RoomFor(message.bytes.size());
  // Messages one behind the other are one message that has what each of them has; the leases of a
  // heartbeat, too.
  frame.bytes.append(message.bytes);
  if (message.renewal) frame.extra.push_back(message.call_id);
}

void Session::SendCancel(std::uint64_t call_id) {
  v1::SessionRequest cancel;
  cancel.add_calls()->mutable_cancel()->set_call_id(call_id);
  Send({.call_id = 0, .bytes = cancel.SerializeAsString()});
}

void Session::SendHeldBack() {
  while (!held_back_.empty() && !MustHoldBack()) {
    const Message message = std::move(held_back_.front());
    held_back_.pop_front();
    const auto found = calls_.find(message.call_id);
    if (found == calls_.end()) continue;
    found->second->held_back = false;
    --held_back_calls_;
    Send(message);
  }
}

void Session::Flush() {
  std::string bytes;
  std::shared_ptr<SessionStream> stream;
  {
    MutexLock lock(mutex_);
    if (dispatching_ == std::this_thread::get_id()) return;
    if (writing_ || stream_ == nullptr || output_.empty()) return;
    auto frame = output_.Take();
    bytes = std::move(frame.bytes);
    if (!frame.extra.empty()) {
      v1::SessionRequest named;
      named.mutable_heartbeat()->set_heartbeat_id(++last_heartbeat_id_);
      named.AppendToString(&bytes);
      heartbeats_.emplace(last_heartbeat_id_, std::move(frame.extra));
    }
    writing_ = true;
    stream = stream_;
  }
  stream->Write(std::move(bytes));
}

void Session::OnWritten() {
  {
    MutexLock lock(mutex_);
    writing_ = false;
    SendHeldBack();
  }
  Flush();
}

void Session::OnFrame(v1::SessionResponse& frame) {
  std::vector<Ending> endings;
  std::deque<v1::SessionResponse::Reply> renewed;
  LostListener lost_listener;
  {
    MutexLock lock(mutex_);
    dispatching_ = std::this_thread::get_id();
    lost_listener = lost_listener_;
    TakeReplies(frame, endings);
    for (const auto& heartbeat : frame.heartbeats()) TakeHeartbeat(heartbeat, renewed, endings);
  }
  for (Ending& ending : endings) {
    if (ending.reply != nullptr) {
      ending.call->Answer(*ending.reply);
    } else {
      ending.call->Fail(ending.failure);
    }
    ending.call.reset();
  }
  for (const auto& lost : frame.lost()) {
    if (lost_listener) lost_listener(lost.fencing_token(), lost.reason());
  }
  {
    MutexLock lock(mutex_);
    dispatching_ = {};
    SendHeldBack();
  }
  Flush();
}

void Session::TakeReplies(v1::SessionResponse& frame, std::vector<Ending>& endings) {
  endings.reserve(static_cast<std::size_t>(frame.replies_size()));
  for (auto& reply : *frame.mutable_replies()) {
    // Unknown: it was ended early.
    auto call = Remove(reply.call_id());
    if (call == nullptr) continue;
    if (reply.has_refusal()) {
      endings.push_back({std::move(call), nullptr, StatusOf(reply.refusal())});
    } else {
      endings.push_back({std::move(call), &reply});
    }
  }
}

void Session::TakeHeartbeat(const v1::SessionResponse::HeartbeatReply& heartbeat,
                            std::deque<v1::SessionResponse::Reply>& replies,
                            std::vector<Ending>& endings) {
  const auto found = heartbeats_.find(heartbeat.heartbeat_id());
  if (found == heartbeats_.end()) return;
  const std::vector<std::uint64_t> renewals = std::move(found->second);
  heartbeats_.erase(found);
  for (std::size_t i = 0; i < renewals.size(); ++i) {
    auto call = Remove(renewals[i]);
    if (call == nullptr) continue;
    if (i >= static_cast<std::size_t>(heartbeat.leases_size())) {
      endings.push_back({std::move(call), nullptr, {StatusCode::INTERNAL, "leases are missing"}});
      continue;
    }
    const auto& lease = heartbeat.leases(static_cast<int>(i));
    if (!lease.lost_reason().empty()) {
      endings.push_back({std::move(call), nullptr, StatusOfLostLease(lease.lost_reason())});
      continue;
    }
    auto& renewed = *replies.emplace_back().mutable_renew_lease();
    *renewed.mutable_lease_remaining() = lease.lease_remaining();
    *renewed.mutable_server_elapsed() = heartbeat.server_elapsed();
    endings.push_back({std::move(call), &replies.back()});
  }
}

std::unique_ptr<SessionCall> Session::Remove(std::uint64_t call_id) {
  const auto found = calls_.find(call_id);
  if (found == calls_.end()) return nullptr;
  std::unique_ptr<SessionCall> call = std::move(found->second);
  calls_.erase(found);
  if (call->held_back) --held_back_calls_;
  const auto same_tick = deadlines_.find(call->tick);
  same_tick->second.erase(call->place);
  if (same_tick->second.empty()) deadlines_.erase(same_tick);
  return call;
}

void Session::End(std::uint64_t call_id, const CallStatus& status) {
  std::unique_ptr<SessionCall> call;
  {
    MutexLock lock(mutex_);
    call = Remove(call_id);
    if (call == nullptr) return;
    SendCancel(call_id);
    SendHeldBack();
  }
  Flush();
  call->Fail(status);
}

void Session::Arm() {
  if (deadlines_.empty()) return;
  const std::int64_t first = deadlines_.begin()->first;
  if (armed_for_.has_value() && *armed_for_ <= first) return;
  armed_for_ = first;
  runtime_->RunAt(BootClock::time_point(first * kTick), [weak = weak_from_this(), first] {
    if (const auto self = weak.lock()) self->OnTimer(first);
  });
}

void Session::OnTimer(std::int64_t armed_for) {
  std::vector<std::uint64_t> overdue;
  {
    MutexLock lock(mutex_);
    if (armed_for_ != armed_for) return;  // an earlier deadline came, and has a timer of its own
    armed_for_.reset();
    const BootClock::time_point now = runtime_->Now();
    for (const auto& [tick, call_ids] : deadlines_) {
      if (BootClock::time_point(tick * kTick) > now) break;
      overdue.insert(overdue.end(), call_ids.begin(), call_ids.end());
    }
  }
  for (const std::uint64_t call_id : overdue) {
    End(call_id, {StatusCode::DEADLINE_EXCEEDED, "no answer in time"});
  }
  MutexLock lock(mutex_);
  Arm();
}

void Session::OnEnded(const CallStatus& status) {
  Calls calls;
  std::shared_ptr<SessionStream> stream;
  {
    MutexLock lock(mutex_);
    stream.swap(stream_);
    calls.swap(calls_);
    deadlines_.clear();
    output_.TakeAll();
    held_back_.clear();
    held_back_calls_ = 0;
    heartbeats_.clear();
    writing_ = false;
    if (status.code == StatusCode::UNIMPLEMENTED) unsupported_ = true;
    ended_.NotifyAll();
  }
  for (auto& [call_id, call] : calls) call->Fail(EndOfCalls(status));
}

bool Session::unsupported() {
  MutexLock lock(mutex_);
  return unsupported_;
}

void Session::SetLostListener(const LostListener& listener) {
  MutexLock lock(mutex_);
  lost_listener_ = listener;
}

bool Session::Shutdown(nanoseconds bound) {
  Calls calls;
  std::shared_ptr<SessionStream> stream;
  {
    MutexLock lock(mutex_);
    closed_ = true;
    calls.swap(calls_);
    deadlines_.clear();
    held_back_.clear();
    held_back_calls_ = 0;
    stream = stream_;
  }
  for (auto& [call_id, call] : calls) call->Fail({StatusCode::CANCELLED, "the client is closed"});
  calls.clear();
  if (stream != nullptr) stream->Cancel();
  stream.reset();
  const auto until = std::chrono::steady_clock::now() + bound;
  MutexLock lock(mutex_);
  while (stream_ != nullptr) {
    const auto left = until - std::chrono::steady_clock::now();
    if (left <= nanoseconds(0)) return false;
    ended_.WaitFor(mutex_, left);
  }
  return true;
}

}  // namespace latchkey::inline client::internal
