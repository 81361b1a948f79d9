#include "server/service/record_lister.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "absl/strings/escaping.h"
#include "latchkey/v1/admin.pb.h"
#include "server/machine/proto_time.h"
#include "server/machine/record_machine.h"
#include "server/partition/refusals.h"
#include "storage/record_store.h"

namespace latchkey {
namespace {

using State = v1::CheckResultResponse;

constexpr std::size_t kJobsMax = 1'000;
// Records read from the store at a time, whatever the page size: few enough that large payloads do
// not fill the memory, and enough for a filter that few records pass.
constexpr std::size_t kScanStep = 64;

Refusal PageTokenMalformed() {
  return {v1::Refusal::PAGE_TOKEN_MALFORMED,
          "page_token was not made by this service for this namespace and key_prefix; begin again "
          "without one",
          {{"field", "page_token"}},
          {}};
}

Refusal RangeCorrupt() {
  return {v1::Refusal::RECORD_CORRUPT,
          "a record of this page cannot be read; narrow key_prefix to leave it out",
          {},
          {}};
}

// GetRecord calls to the partitions, for a whole page at a time.
class LiveRecords {
 public:
  explicit LiveRecords(const CallEnvironment& environment) : environment_(environment) {}

  // Starts reading; the answer is valid after Wait.
  const v1::GetRecordResponse& Read(const std::string& store_key) {
    auto& read = *reads_.emplace_back(std::make_unique<ReadCall>(*this, store_key));
    {
      MutexLock lock(mutex_);
      ++pending_;
    }
    environment_.partitions.Submit(read);
    return read.response;
  }

  // The first refusal, if any. A corrupt record is not one: it is left out, so that it does not
  // hide the others.
  std::optional<Refusal> Wait() {
    MutexLock lock(mutex_);
    while (pending_ > 0) finished_.Wait(mutex_);
    return refusal_;
  }

 private:
  struct ReadCall final : Call {
    ReadCall(LiveRecords& records, const std::string& key)
        : Call(GetRecordExchange{&request, &response}, key, records.environment_.clock.Monotonic(),
               0),
          owner(records) {}
    void Finish(std::optional<Refusal> refusal) override {
      MutexLock lock(owner.mutex_);
      if (refusal.has_value() && refusal->reason != v1::Refusal::RECORD_CORRUPT) {
        owner.refusal_ = std::move(refusal);
      }
      if (--owner.pending_ == 0) owner.finished_.NotifyAll();
    }
    void FinishShared(std::shared_ptr<const google::protobuf::Message>) override {}

    LiveRecords& owner;
    v1::GetRecordRequest request;
    v1::GetRecordResponse response;
  };

  const CallEnvironment& environment_;
  std::vector<std::unique_ptr<ReadCall>> reads_;
  Mutex mutex_;
  Condition finished_;
  std::size_t pending_ GUARDED_BY(mutex_) = 0;
  std::optional<Refusal> refusal_ GUARDED_BY(mutex_);
};

bool IsLiveState(State::State state) { return state == State::HELD || state == State::IN_DOUBT; }

bool Matches(const v1::Record& record, const v1::ListRecordsRequest& request, WallTime now) {
  if (record.state() == State::STATE_UNSPECIFIED || record.state() == State::ABSENT) return false;
  if (request.state() != State::STATE_UNSPECIFIED && record.state() != request.state())
    return false;
  if (!request.holder_id().empty() && record.holder_id() != request.holder_id()) return false;
  if (!request.has_older_than()) return true;
  const auto since = FromProto(record.state_since());
  const auto older_than = FromProto(request.older_than());
  return since.has_value() && older_than.has_value() && now - *since > *older_than;
}

}  // namespace

// What is answered, and how much more of it.
class RecordLister::Page {
 public:
  Page(const v1::ListRecordsRequest& request, const Limits& limits,
       v1::ListRecordsResponse* response)
      : request_(request),
        records_max_(request.page_size() == 0
                         ? limits.page_size_default
                         : std::min<std::size_t>(request.page_size(), limits.page_size_max)),
        bytes_max_(limits.page_bytes),
        response_(*response) {}

  bool full() const { return full_; }

  // Adds the record if it is asked for. False: it is, and belongs onto the next page.
  bool Add(v1::Record record, WallTime now) {
    if (!Matches(record, request_, now)) return true;
    const std::size_t bytes = record.ByteSizeLong() + kFramingBytes;
    full_ = bytes_ > 0 && bytes_ + bytes > bytes_max_;
    if (full_) return false;
    bytes_ += bytes;
    *response_.add_records() = std::move(record);
    full_ = static_cast<std::size_t>(response_.records_size()) >= records_max_;
    return true;
  }

 private:
  // Of one record in the response: its tag and its length.
  static constexpr std::size_t kFramingBytes = 8;

  const v1::ListRecordsRequest& request_;
  const std::size_t records_max_;
  const std::size_t bytes_max_;
  v1::ListRecordsResponse& response_;
  std::size_t bytes_ = 0;
  bool full_ = false;
};

RecordLister::RecordLister(const CallEnvironment& environment, storage::RecordStore& store)
    : environment_(environment), store_(store), thread_([this] { Run(); }) {}

RecordLister::~RecordLister() { Stop(); }

void RecordLister::Stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

bool RecordLister::stopping() {
  MutexLock lock(mutex_);
  return stopping_;
}

void RecordLister::List(const v1::ListRecordsRequest& request, v1::ListRecordsResponse* response,
                        Done done) {
  std::optional<Refusal> refusal;
  {
    MutexLock lock(mutex_);
    if (stopping_) {
      refusal = ShuttingDown();
    } else if (jobs_.size() >= kJobsMax) {
      refusal = Overloaded();
    } else {
      jobs_.push_back({&request, response, std::move(done)});
      changed_.NotifyAll();
      return;
    }
  }
  done(refusal);
}

void RecordLister::Run() {
  while (true) {
    Job job;
    bool stopping = false;
    {
      MutexLock lock(mutex_);
      while (jobs_.empty() && !stopping_) changed_.Wait(mutex_);
      if (jobs_.empty()) return;
      stopping = stopping_;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job.done(stopping ? ShuttingDown() : Fill(*job.request, job.response));
  }
}

std::optional<Refusal> RecordLister::Fill(const v1::ListRecordsRequest& request,
                                          v1::ListRecordsResponse* response) {
  const Limits& limits = environment_.limits;
  storage::ScanRequest scan;
  scan.prefix =
      storage::MakeStoreKey(NamespaceOrDefault(request.namespace_()), request.key_prefix());
  scan.limit = kScanStep;
  scan.live_only = IsLiveState(request.state());
  if (!request.page_token().empty() &&
      (!absl::WebSafeBase64Unescape(request.page_token(), &scan.after) ||
       !scan.after.starts_with(scan.prefix))) {
    return PageTokenMalformed();
  }
  Page page(request, limits, response);
  for (std::size_t looked_at = 0; looked_at < limits.page_scan_max && !page.full();) {
    if (stopping()) return ShuttingDown();
    const auto scanned = store_.Scan(scan);
    if (absl::IsDataLoss(scanned.status())) return RangeCorrupt();
    if (!scanned.ok()) return store_.exclusive() ? StorageUnavailable() : StoreDidNotAnswer();
    std::size_t consumed = 0;
    if (auto refusal = AddMatching(*scanned, page, &consumed)) return refusal;
    // All of what is left was looked at: this is the last page.
    if (consumed == scanned->size() && consumed < scan.limit) return std::nullopt;
    looked_at += consumed;
    if (consumed > 0) scan.after = (*scanned)[consumed - 1].store_key;
  }
  response->set_next_page_token(absl::WebSafeBase64Escape(scan.after));
  return std::nullopt;
}

std::optional<Refusal> RecordLister::AddMatching(const std::vector<storage::Scanned>& scanned,
                                                 Page& page, std::size_t* consumed) {
  Context context;
  context.now = environment_.retention.At(environment_.clock.Monotonic());
  context.limits = &environment_.limits;
  LiveRecords live(environment_);
  std::vector<const v1::GetRecordResponse*> live_records(scanned.size());
  for (std::size_t i = 0; i < scanned.size(); ++i) {
    const auto& record = scanned[i].loaded.record;
    if (record.has_value() && IsLiveState(record->state())) {
      live_records[i] = &live.Read(scanned[i].store_key);
    }
  }
  if (auto refusal = live.Wait()) return refusal;
  for (; *consumed < scanned.size() && !page.full(); ++*consumed) {
    const auto& [store_key, loaded] = scanned[*consumed];
    if (!loaded.record.has_value()) continue;  // corrupt: left out
    v1::Record described;
    if (const v1::GetRecordResponse* read = live_records[*consumed]) {
      described = read->record();
    } else {
      const auto parts = storage::SplitStoreKey(store_key);
      context.name_space = parts.name_space;
      context.key = parts.key;
      context.settings = &environment_.namespaces.Get(parts.name_space);
      if (IsForgotten(*loaded.record, *context.limits, *context.settings, context.now.retention)) {
        continue;
      }
      DescribeRecord(*loaded.record, context, &described);
    }
    if (!page.Add(std::move(described), context.now.retention)) break;
  }
  return std::nullopt;
}

}  // namespace latchkey
