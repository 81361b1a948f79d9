// Bytes as requests of every unary call: parsed, checked, decided by a partition over a memory
// store, and answered. Whatever they are, each call is answered exactly once, by a response or a
// status that a client can read, and nothing grows past its bound (S2).
//
// A step of the input is a request, or time that passes, or a caller that goes away. What gRPC
// itself does (parsing, finishing a reactor) is not in here: UnaryCall in server/service is a dozen
// lines on top of what is.
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "latchkey/v1/admin.pb.h"
#include "latchkey/v1/coordination.pb.h"
#include "server/calls/budgeted_call.h"
#include "server/calls/rpc_status.h"
#include "server/service/record_lister.h"
#include "server/service/uuid7.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/request_steps.h"
#include "tests/fuzz/silence_protobuf.h"
#include "tests/fuzz/test_bed.h"
#include "tests/fuzz/violation.h"
#include <google/rpc/status.pb.h>

namespace latchkey::fuzz {
namespace {

constexpr int kStepsMax = 32;
constexpr std::size_t kAnswerBytesMax = 64 * 1024;

template <class Message>
void MustBeReadable(const Message& message) {
  const std::string bytes = message.SerializeAsString();
  Message read;
  if (!read.ParseFromString(bytes)) Violated("S2", "an answer cannot be parsed: text is not UTF-8");
  if (bytes.size() > kAnswerBytesMax) Violated("S2", "an answer is too large");
}

void MustBeAStatus(const Refusal& refusal) {
  const google::rpc::Status status = ToRpcStatus(refusal);
  if (status.code() == 0) Violated("S2", "a refusal is answered OK");
  if (refusal.reason != v1::Refusal::REASON_UNSPECIFIED && status.details_size() == 0) {
    Violated("S2", "a refusal does not say its reason");
  }
  MustBeReadable(status);
}

// A call as it is kept until the end of the input.
class FuzzCall {
 public:
  virtual ~FuzzCall() = default;
  // The reply is on its way, if there is one. True if that makes room for others.
  virtual bool Written() = 0;
  virtual void GoAway() = 0;
  bool finished() const { return finished_.load(); }

 protected:
  std::atomic<bool> finished_ = false;
};

template <class Request, class Response>
struct Messages {
  Request request;
  Response response;
};

// What UnaryCall is, without the reactor.
template <class Request, class Response>
class PartitionCall final : private Messages<Request, Response>,
                            public FuzzCall,
                            public BudgetedCall<Request, Response> {
  using Held = Messages<Request, Response>;

 public:
  PartitionCall(const CallEnvironment& environment, Request parsed)
      : Held{std::move(parsed), {}},
        BudgetedCall<Request, Response>(environment, environment.reply_budget, Held::request,
                                        &this->Held::response, environment.clock.Monotonic()) {}

  // As StartUnary does.
  void Start() {
    if (auto refusal = this->environment().Check(Held::request)) {
      static_cast<Call*>(this)->Finish(std::move(refusal));
    } else {
      this->environment().partitions.Submit(*this);
    }
  }
  bool Written() override {
    const std::size_t bytes = finished() ? this->TakeBudgetedBytes() : 0;
    if (bytes > 0) this->environment().reply_budget.Release(bytes);
    return bytes > 0;
  }
  void GoAway() override {
    if (finished()) return;
    this->SetGone();
    this->environment().partitions.Cancel(this->store_key, this, this->serial);
  }

 private:
  void Send(std::optional<Refusal> refusal) override {
    if (finished()) Violated("S2", "a call was answered twice");
    if (refusal.has_value()) {
      MustBeAStatus(*refusal);
    } else {
      MustBeReadable(Held::response);
    }
    finished_ = true;
  }
};

class ListCall final : public FuzzCall {
 public:
  ListCall(RecordLister& lister, v1::ListRecordsRequest request) : request_(std::move(request)) {
    lister.List(request_, &response_, [this](const std::optional<Refusal>& refusal) {
      if (refusal.has_value()) {
        MustBeAStatus(*refusal);
      } else {
        MustBeReadable(response_);
      }
      finished_ = true;
      finished_.notify_one();
    });
    finished_.wait(false);
  }
  bool Written() override { return false; }
  void GoAway() override {}

 private:
  const v1::ListRecordsRequest request_;
  v1::ListRecordsResponse response_;
};

class Run {
 public:
  void Take(const InputStep& step);
  // Ends what still waits, and checks that nothing does afterwards.
  void End();

 private:
  template <class Request, class Response>
  void Start(std::string_view bytes) {
    Request request;
    // gRPC answers bytes that are no such message by itself.
    if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
    auto call =
        std::make_unique<PartitionCall<Request, Response>>(bed_.environment(), std::move(request));
    call->Start();
    calls_.push_back(std::move(call));
  }
  void IssueKey(std::string_view bytes);
  void List(std::string_view bytes);
  void WriteReplies();

  TestBed bed_;
  std::unique_ptr<RecordLister> lister_;  // Once something is listed: it has a thread.
  std::vector<std::unique_ptr<FuzzCall>> calls_;
};

void Run::IssueKey(std::string_view bytes) {
  v1::IssueKeyRequest request;
  if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  if (const auto refusal = bed_.environment().Check(request)) return MustBeAStatus(*refusal);
  if (NewUuid7(bed_.clock().Wall()).size() != 36) Violated("S2", "an issued key is no UUID");
}

void Run::List(std::string_view bytes) {
  v1::ListRecordsRequest request;
  if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  if (const auto refusal = bed_.environment().Check(request)) return MustBeAStatus(*refusal);
  if (lister_ == nullptr) {
    lister_ = std::make_unique<RecordLister>(bed_.environment(), bed_.store());
  }
  calls_.push_back(std::make_unique<ListCall>(*lister_, std::move(request)));
}

void Run::Take(const InputStep& step) {
  using Step = RequestStep;
  switch (static_cast<Step>(step.kind % static_cast<std::uint8_t>(Step::kCount))) {
    case Step::kAcquireLock:
      Start<v1::AcquireLockRequest, v1::AcquireLockResponse>(step.bytes);
      break;
    case Step::kRenewLease:
      Start<v1::RenewLeaseRequest, v1::RenewLeaseResponse>(step.bytes);
      break;
    case Step::kCheckResult:
      Start<v1::CheckResultRequest, v1::CheckResultResponse>(step.bytes);
      break;
    case Step::kRecordResult:
      Start<v1::RecordResultRequest, v1::RecordResultResponse>(step.bytes);
      break;
    case Step::kRelease:
      Start<v1::ReleaseRequest, v1::ReleaseResponse>(step.bytes);
      break;
    case Step::kIssueKey:
      IssueKey(step.bytes);
      break;
    case Step::kGetRecord:
      Start<v1::GetRecordRequest, v1::GetRecordResponse>(step.bytes);
      break;
    case Step::kListRecords:
      List(step.bytes);
      break;
    case Step::kResolveOutcome:
      Start<v1::ResolveOutcomeRequest, v1::ResolveOutcomeResponse>(step.bytes);
      break;
    case Step::kForceRelease:
      Start<v1::ForceReleaseRequest, v1::ForceReleaseResponse>(step.bytes);
      break;
    case Step::kDeleteRecord:
      Start<v1::DeleteRecordRequest, v1::DeleteRecordResponse>(step.bytes);
      break;
    case Step::kPass:
      bed_.Pass(std::chrono::milliseconds(NumberOf(step.bytes) % 2'000));
      break;
    default:
      if (!calls_.empty()) calls_[NumberOf(step.bytes) % calls_.size()]->GoAway();
  }
  bed_.SettleAndCheck();
  WriteReplies();
}

void Run::WriteReplies() {
  bool room = false;
  for (const auto& call : calls_) room = call->Written() || room;
  if (room) bed_.Settle();  // What waited for it may be decided again.
}

void Run::End() {
  bed_.partitions().EndAllWaits();
  bed_.Settle();
  // Each round writes at least one reply that waits for room.
  for (std::size_t i = 0; i < calls_.size(); ++i) WriteReplies();
  for (const auto& call : calls_) {
    if (!call->finished()) Violated("S2", "a call was never answered");
  }
}

}  // namespace
}  // namespace latchkey::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace latchkey::fuzz;  // NOLINT(google-build-using-namespace)
  SilenceProtobuf();
  std::string_view input(reinterpret_cast<const char*>(data), size);
  Run run;
  InputStep step;
  for (int i = 0; i < kStepsMax && TakeStep(&input, &step); ++i) run.Take(step);
  run.End();
  return 0;
}
