#include "deliveries.h"

#include <utility>

#include "convert.h"

namespace latchkey::inline client::internal {
namespace {

// In the background, one call of the connection after the other, each with retries of its own.
constexpr std::chrono::minutes kRound(10);
constexpr std::chrono::seconds kPause(1);

// Of those that wait in the outbox: how many are in memory and under way at once.
constexpr std::size_t kWaitingAtOnce = 16;

// How often to look for what processes left that died after this one began.
constexpr std::chrono::seconds kTakeOverPeriod(30);

// The service cuts these at a few hundred bytes and says so (`truncated`). What it would not take
// as one message, or the outbox not as one file, must not keep the outcome from arriving.
constexpr std::size_t kTextSentMax = std::size_t{4} << 10;

Outcome WithTextsCut(const Outcome& outcome) {
  ResultFields fields = outcome.fields();
  for (std::string* text : {&fields.code, &fields.provider_reference, &fields.content_type}) {
    if (text->size() > kTextSentMax) text->resize(kTextSentMax);
  }
  return outcome.kind() == Outcome::Kind::kSucceeded ? Succeeded(std::move(fields))
                                                     : Rejected(std::move(fields));
}

bool IsAnswered(const Answer<StoredResult>& answer) {
  return answer.ok() || answer.error().kind == Error::Kind::kRefused;
}

// The service stored it, or stored who said what. Any other refusal leaves this the only copy.
bool IsHeard(const Answer<StoredResult>& answer) {
  return answer.ok() || answer.error().reason == "STALE_FENCING_TOKEN" ||
         answer.error().reason == "RESULT_CONFLICT";
}

Error Damaged(const std::string& file) {
  return {.kind = Error::Kind::kRefused,
          .reason = "OUTCOME_DAMAGED",
          .message = "the outbox could not read " + file};
}

Error TooMany(const Error& last) {
  return {.kind = Error::Kind::kUnavailable,
          .reason = "UNDELIVERED_LIMIT",
          .message =
              "more outcomes are undelivered than ClientOptions::undelivered_max, so this one "
              "is given up; last: " +
              last.message};
}

}  // namespace

std::shared_ptr<Deliveries> Deliveries::Start(std::shared_ptr<Connection> connection,
                                              const ClientOptions& options) {
  std::shared_ptr<Deliveries> deliveries(new Deliveries(std::move(connection), options));
  deliveries->TakeOver();
  return deliveries;
}

Deliveries::Deliveries(std::shared_ptr<Connection> connection, const ClientOptions& options)
    : connection_(std::move(connection)),
      kept_max_(options.undelivered_max),
      on_undeliverable_(options.on_undeliverable) {
  if (options.outbox_directory.empty()) return;
  auto outbox = Outbox::Open(options.outbox_directory, connection_->runtime()->Random());
  MutexLock lock(mutex_);
  if (!outbox.ok()) {
    outbox_error_ = outbox.error().message;
    return;
  }
  outbox_ = std::move(outbox.value());
}

void Deliveries::TakeOver() {
  std::shared_ptr<Outbox> outbox;
  {
    MutexLock lock(mutex_);
    outbox = outbox_;
  }
  if (outbox == nullptr) return;
  Runtime& runtime = *connection_->runtime();
  runtime.RunAt(runtime.Now() + kTakeOverPeriod, [self = shared_from_this()] { self->TakeOver(); });
  for (std::string& file : outbox->TakeOver()) Queue({std::move(file), nullptr});
}

void Deliveries::Deliver(RecordCall call, Callback<Progress> callback,
                         Callback<Answer<StoredResult>> in_the_end) {
  {
    MutexLock lock(mutex_);
    ++under_way_;
  }
  call.outcome = WithTextsCut(call.outcome);
  std::string file = Write(call);
  connection_->RecordResult(
      call,
      [self = shared_from_this(), callback = std::move(callback),
       delivery = Delivery{call, std::move(file), std::move(in_the_end)}](
          Answer<StoredResult> answer) { self->OnTried(delivery, std::move(answer), callback); });
}

std::string Deliveries::Write(const RecordCall& call) {
  std::shared_ptr<Outbox> outbox;
  {
    MutexLock lock(mutex_);
    outbox = outbox_;
  }
  if (outbox == nullptr) return "";
  Answer<std::string> file = outbox->Write(ToRequest(call));
  if (file.ok()) return std::move(file.value());
  Trouble(file.error().message);
  return "";
}

void Deliveries::OnTried(Delivery delivery, Answer<StoredResult> answer,
                         const Callback<Progress>& callback) {
  if (IsAnswered(answer)) {
    End(delivery, answer);
    return callback({std::move(answer), false});
  }
  const bool on_disk = !delivery.file.empty();
  bool above = false;
  {
    MutexLock lock(mutex_);
    above = under_way_ > kept_max_;
    if (above && !on_disk) --under_way_;
  }
  if (above && !on_disk) return callback({TooMany(answer.error()), false});
  callback({std::move(answer), true});
  if (!above) return GoOn(std::move(delivery));
  Queue({std::move(delivery.file), std::move(delivery.in_the_end)});
  MutexLock lock(mutex_);
  --under_way_;
}

void Deliveries::GoOn(Delivery delivery) {
  Runtime& runtime = *connection_->runtime();
  runtime.RunAt(runtime.Now() + kPause,
                [self = shared_from_this(), delivery = std::move(delivery)] {
                  RecordCall call = delivery.call;
                  call.deadline = self->connection_->runtime()->Now() + kRound;
                  self->connection_->RecordResult(
                      std::move(call), [self, delivery](const Answer<StoredResult>& answer) {
                        if (!IsAnswered(answer)) return self->GoOn(delivery);
                        self->End(delivery, answer);
                        self->Report(delivery.call, answer);
                        delivery.in_the_end(answer);
                      });
                });
}

void Deliveries::End(const Delivery& delivery, const Answer<StoredResult>& answer) {
  std::shared_ptr<Outbox> outbox;
  {
    MutexLock lock(mutex_);
    --under_way_;
    outbox = outbox_;
  }
  if (outbox == nullptr || delivery.file.empty()) return;
  if (IsHeard(answer)) {
    outbox->Remove(delivery.file);
  } else {
    Trouble(outbox->SetAside(delivery.file, "refused") + ": " + answer.error().reason);
  }
}

void Deliveries::Report(const RecordCall& call, const Answer<StoredResult>& answer) {
  if (IsHeard(answer) || !on_undeliverable_) return;
  on_undeliverable_({.key_namespace = call.name.key_namespace,
                     .key = call.name.key,
                     .fencing_token = call.fencing_token,
                     .outcome = call.outcome,
                     .error = answer.error()});
}

void Deliveries::Queue(Waiting waiting) {
  {
    MutexLock lock(mutex_);
    if (outbox_ == nullptr) return;  // Closed; the file is for the next process.
    waiting_.push_back(std::move(waiting));
    if (lanes_ == kWaitingAtOnce) return;
    ++lanes_;
  }
  Runtime& runtime = *connection_->runtime();
  runtime.RunAt(runtime.Now(), [self = shared_from_this()] { self->DeliverNext(); });
}

void Deliveries::DeliverNext() {
  while (true) {
    Waiting next;
    std::shared_ptr<Outbox> outbox;
    {
      MutexLock lock(mutex_);
      if (waiting_.empty()) {
        --lanes_;
        return;
      }
      next = std::move(waiting_.front());
      waiting_.pop_front();
      outbox = outbox_;
      ++under_way_;
    }
    const auto request = outbox->Read(next.file);
    std::optional<RecordCall> call = request ? ToCall(*request) : std::nullopt;
    const auto in_the_end = [callback = std::move(next.in_the_end)](const auto& answer) {
      if (callback) callback(answer);
    };
    if (call) {
      return GoOn({std::move(*call), std::move(next.file),
                   [self = shared_from_this(), in_the_end](const Answer<StoredResult>& answer) {
                     in_the_end(answer);
                     self->DeliverNext();
                   }});
    }
    Trouble(outbox->SetAside(next.file, "damaged"));
    {
      MutexLock lock(mutex_);
      --under_way_;
    }
    const Error damaged = Damaged(next.file);
    if (on_undeliverable_) on_undeliverable_({.error = damaged});
    in_the_end(damaged);
  }
}

std::size_t Deliveries::count() {
  MutexLock lock(mutex_);
  return under_way_ + waiting_.size();
}

std::string Deliveries::outbox_error() {
  MutexLock lock(mutex_);
  return outbox_error_;
}

void Deliveries::Trouble(std::string what) {
  MutexLock lock(mutex_);
  outbox_error_ = std::move(what);
}

void Deliveries::Close() {
  // Destroyed after the lock: what they own may come back here.
  std::shared_ptr<Outbox> outbox;
  std::deque<Waiting> waiting;
  MutexLock lock(mutex_);
  outbox.swap(outbox_);
  waiting.swap(waiting_);
}

}  // namespace latchkey::inline client::internal
