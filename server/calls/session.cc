#include "server/calls/session.h"

#include <utility>

#include "server/calls/rpc_status.h"
#include "server/calls/session_calls.h"
#include "server/calls/session_heartbeat.h"
#include <google/rpc/status.pb.h>

namespace latchkey {
namespace {

using R = v1::Refusal;

Refusal FrameTooLong(const Limits& limits) {
  const std::string most = std::to_string(limits.frame_calls);
  return {R::FRAME_TOO_LONG,
          "a frame of a session has more than " + most + " calls and leases; send several",
          {{"frame_calls_max", most}},
          {}};
}

Refusal CallIdInUse(std::uint64_t call_id) {
  const std::string id = std::to_string(call_id);
  return {R::CALL_ID_MALFORMED,
          "the call_id " + id +
              " is that of a call which is not answered yet; give every call of "
              "a stream one of its own",
          {{"call_id", id}},
          {}};
}

Refusal CallRequired() {
  return {R::CALL_REQUIRED, "the entry of the frame asks for nothing that is known here", {}, {}};
}

}  // namespace

Session::Session(const CallEnvironment& environment, SessionLink& link, Caller caller,
                 std::optional<TraceContext> trace)
    : environment_(environment),
      link_(link),
      caller_(std::move(caller)),
      caller_now_(caller_),
      trace_(std::move(trace)),
      reply_budget_(environment.limits.session_reply_bytes, &environment.reply_budget),
      output_(environment.limits.frame_bytes, environment.limits.frame_calls) {}

bool Session::OnFrame(const std::shared_ptr<SessionFrame>& frame) {
  const v1::SessionRequest& request = *frame->request;
  const auto size = static_cast<std::size_t>(request.calls_size()) +
                    static_cast<std::size_t>(request.heartbeat().leases_size());
  bool open = false;
  {
    MutexLock lock(mutex_);
    open = phase_ == Phase::kOpen;
  }
  if (!open) {
    // Nothing new is taken, but who goes must not be granted anything.
    for (const auto& call : request.calls()) {
      if (call.has_cancel()) Cancel(call.cancel().call_id());
    }
    return false;
  }
  if (size > environment_.limits.frame_calls) {
    Close(FrameTooLong(environment_.limits));
    return false;
  }
  if (auto unknown = caller_now_.CheckKnown()) {
    Close(std::move(unknown));
    return false;
  }
  const ReplyGathering replies;
  const MonotonicTime arrived = environment_.clock.Monotonic();
  started_.reserve(size);
  for (const auto& call : request.calls()) Start(frame, call, arrived);
  if (request.has_heartbeat()) StartHeartbeat(frame, arrived);
  if (!Submit()) return false;
  MutexLock lock(mutex_);
  held_back_ = !MayRead();
  return !held_back_ && phase_ == Phase::kOpen;
}

bool Session::MayRead() const {
  return output_.bytes() <= environment_.limits.frame_bytes &&
         leases_asked_ <= environment_.limits.session_calls;
}

void Session::Start(const std::shared_ptr<SessionFrame>& frame,
                    const v1::SessionRequest::Call& call, MonotonicTime arrived) {
  if (call.has_cancel()) {
    // Which may be for a call before it in this frame.
    if (Submit()) Cancel(call.cancel().call_id());
    return;
  }
  auto made = MakeSessionCall(environment_, shared_from_this(), frame, call, arrived);
  auto refusal =
      made == nullptr ? CallRequired() : CheckSessionCall(environment_, caller_now_, call);
  started_.push_back({call.call_id(), std::move(made), std::move(refusal)});
}

void Session::StartHeartbeat(const std::shared_ptr<SessionFrame>& frame, MonotonicTime arrived) {
  if (!Submit()) return;
  auto heartbeat =
      std::make_shared<SessionHeartbeat>(environment_, shared_from_this(), frame, arrived);
  const std::size_t leases = heartbeat->size();
  {
    MutexLock lock(mutex_);
    leases_asked_ += leases;
  }
  if (leases == 0) return heartbeat->AnswerNothing();
  std::vector<Call*> calls;
  calls.reserve(leases);
  for (std::size_t i = 0; i < leases; ++i) {
    std::optional<Refusal> refusal;
    Call* const call = heartbeat->MakeCall(i, caller_now_, &refusal).release();
    if (refusal.has_value()) {
      call->Finish(std::move(refusal));
    } else {
      calls.push_back(call);
    }
  }
  environment_.partitions.Submit(calls);
}

bool Session::Submit() {
  std::vector<Started> started = std::exchange(started_, {});
  if (!Register(started)) return false;
  std::vector<Call*> calls;
  calls.reserve(started.size());
  for (Started& one : started) {
    if (one.call == nullptr) continue;
    Call* const call = one.call.release();  // Gone when it is finished.
    if (one.refusal.has_value()) {
      call->Finish(std::move(one.refusal));
    } else {
      calls.push_back(call);
    }
  }
  environment_.partitions.Submit(calls);
  return true;
}

bool Session::Register(std::vector<Started>& started) {
  std::optional<std::uint64_t> used_twice;
  std::vector<std::pair<std::uint64_t, Refusal>> refused;
  {
    MutexLock lock(mutex_);
    if (Closed()) return false;
    for (Started& one : started) {
      if (calls_.contains(one.call_id)) {
        used_twice = one.call_id;
        // The ones before it are known to nobody else.
        for (const Started& known : started) {
          if (&known == &one) break;
          if (known.call != nullptr) calls_.erase(known.call_id);
        }
        break;
      }
      if (one.call == nullptr) {
        refused.emplace_back(one.call_id, *std::move(one.refusal));
        continue;
      }
      if (calls_.size() >= environment_.limits.session_calls) {
        refused.emplace_back(one.call_id, Overloaded());
        one.call.reset();
        continue;
      }
      calls_.emplace(one.call_id, one.call.get());
    }
  }
  if (used_twice.has_value()) {
    Close(CallIdInUse(*used_twice));
    return false;
  }
  for (const auto& [call_id, refusal] : refused) Refuse(call_id, refusal);
  return true;
}

void Session::Cancel(std::uint64_t call_id) {
  CancelWait wait;
  {
    MutexLock lock(mutex_);
    const auto found = calls_.find(call_id);
    if (found == calls_.end()) return;
    Call& call = *found->second;
    call.SetGone();
    wait = {call.store_key, &call, call.serial};
  }
  environment_.partitions.Cancel(wait.store_key, wait.call, wait.serial);
}

void Session::Refuse(std::uint64_t call_id, const Refusal& refusal) {
  environment_.meter.OnRefused(Rpc::kSession, refusal.reason);
  v1::SessionResponse envelope;
  auto* reply = envelope.add_replies();
  reply->set_call_id(call_id);
  *reply->mutable_refusal() = ToRpcStatus(refusal);
  Tell(envelope);
}

void Session::Answer(std::uint64_t call_id, const v1::SessionResponse& reply, Attached attached) {
  bool flush = false;
  AllAttached dropped;
  {
    MutexLock lock(mutex_);
    calls_.erase(call_id);
    if (Closed()) {
      dropped.Add(std::move(attached));
    } else {
      flush = Append(reply, std::move(attached));
    }
  }
  Drop(std::move(dropped));
  if (flush) ReplyGathering::FlushLater(shared_from_this());
}

void Session::AllAttached::Add(Attached attached) {
  budgeted_bytes += attached.budgeted_bytes;
  if (attached.granted.has_value()) granted.push_back(*std::move(attached.granted));
}

void Session::Drop(AllAttached attached) {
  if (attached.budgeted_bytes > 0) reply_budget_.Release(attached.budgeted_bytes);
  for (UnsentGrant& unsent : attached.granted) environment_.partitions.TakeBack(std::move(unsent));
}

void Session::AnswerHeartbeat(const v1::SessionResponse& reply, std::size_t leases) {
  bool flush = false;
  {
    MutexLock lock(mutex_);
    leases_asked_ -= leases;
    flush = Append(reply, {});
  }
  if (flush) ReplyGathering::FlushLater(shared_from_this());
}

void Session::Tell(const v1::SessionResponse& message) {
  bool flush = false;
  {
    MutexLock lock(mutex_);
    flush = Append(message, {});
  }
  if (flush) ReplyGathering::FlushLater(shared_from_this());
}

void Session::OnLeaseLost(const LostLease& lost) {
  v1::SessionResponse envelope;
  auto* event = envelope.add_lost();
  const auto parts = storage::SplitStoreKey(lost.store_key);
  event->set_namespace_(std::string(parts.name_space));
  event->set_key(std::string(parts.key));
  event->set_fencing_token(lost.fencing_token);
  event->set_reason(R::Reason_Name(R::LEASE_EXPIRED));
  Tell(envelope);
}

bool Session::Append(const v1::SessionResponse& reply, Attached attached) {
  if (Closed()) return false;
  auto& frame = output_.RoomFor(reply.ByteSizeLong());
  // Messages one behind the other are one message that has what each of them has.
  reply.AppendPartialToString(&frame.bytes);
  frame.extra.Add(std::move(attached));
  if (flush_scheduled_ || writing_) return false;
  flush_scheduled_ = true;
  return true;
}

void Session::Flush() {
  std::optional<std::string> frame;
  {
    MutexLock lock(mutex_);
    flush_scheduled_ = false;
    frame = NextFrame();
  }
  Send(std::move(frame), false);
}

void Session::OnWritten() {
  std::optional<std::string> frame;
  bool end = false;
  bool read = false;
  std::size_t budgeted_bytes = 0;
  {
    MutexLock lock(mutex_);
    writing_ = false;
    budgeted_bytes = std::exchange(writing_budgeted_bytes_, 0);
    frame = NextFrame();
    end = !frame.has_value() && MayEnd();
    // Also of a heartbeat that held it back: its answer is written, and comes by here.
    read = held_back_ && phase_ == Phase::kOpen && MayRead();
    if (read) held_back_ = false;
  }
  Send(std::move(frame), end);
  if (budgeted_bytes > 0) reply_budget_.Release(budgeted_bytes);
  if (read) link_.Read();
}

std::optional<std::string> Session::NextFrame() {
  if (writing_ || output_.empty() || Closed()) {
    return std::nullopt;
  }
  writing_ = true;
  writing_since_ = environment_.clock.Monotonic();
  auto frame = output_.Take();
  writing_budgeted_bytes_ = frame.extra.budgeted_bytes;
  return std::move(frame.bytes);
}

// While a frame is being written the link is in use, and the stream ends when it is written.
bool Session::MayEnd() {
  if (writing_) return false;
  const bool finished =
      phase_ == Phase::kFinishing && calls_.empty() && leases_asked_ == 0 && output_.empty();
  if (!finished && phase_ != Phase::kClosed) return false;
  phase_ = Phase::kEnded;
  return true;
}

void Session::Send(std::optional<std::string> frame, bool end) {
  if (frame.has_value()) return link_.Write(*std::move(frame));
  if (!end) return;
  std::optional<Refusal> refusal;
  {
    MutexLock lock(mutex_);
    refusal = end_refusal_;
  }
  link_.End(refusal);
}

void Session::OnRefused(Refusal refusal) { Close(std::move(refusal)); }
void Session::OnBroken() { Close(Cancelled()); }

void Session::Close(std::optional<Refusal> refusal) {
  std::vector<CancelWait> waits;
  std::deque<FrameQueue<AllAttached>::Frame> dropped;
  bool end = false;
  {
    MutexLock lock(mutex_);
    if (Closed()) return;
    phase_ = Phase::kClosed;
    if (refusal.has_value() && refusal->reason != R::REASON_UNSPECIFIED) {
      environment_.meter.OnRefused(Rpc::kSession, refusal->reason);
    }
    end_refusal_ = std::move(refusal);
    dropped = output_.TakeAll();
    for (auto& [call_id, call] : calls_) {
      call->SetGone();
      waits.push_back({call->store_key, call, call->serial});
    }
    end = MayEnd();
  }
  for (auto& frame : dropped) Drop(std::move(frame.extra));
  for (const CancelWait& wait : waits) {
    environment_.partitions.Cancel(wait.store_key, wait.call, wait.serial);
  }
  Send(std::nullopt, end);
}

void Session::BreakIfNotRead(MonotonicTime now, Duration longest) {
  {
    MutexLock lock(mutex_);
    if (!writing_ || now - writing_since_ < longest) return;
  }
  link_.Break();
}

void Session::OnHalfClosed() {
  bool end = false;
  {
    MutexLock lock(mutex_);
    if (phase_ == Phase::kOpen) phase_ = Phase::kFinishing;
    end = MayEnd();
  }
  Send(std::nullopt, end);
}

void Session::CheckCaller() {
  Caller caller = caller_;  // frames come meanwhile, and have their own
  if (auto unknown = caller.CheckKnown()) Close(std::move(unknown));
}

void Session::Drain() {
  bool end = false;
  {
    MutexLock lock(mutex_);
    if (!Closed()) {
      phase_ = Phase::kFinishing;
      end_refusal_ = ShuttingDown();
      end = MayEnd();
    }
  }
  Send(std::nullopt, end);
}

}  // namespace latchkey
