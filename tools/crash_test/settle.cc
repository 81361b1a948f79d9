#include "tools/crash_test/settle.h"

#include <fstream>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include <google/protobuf/util/json_util.h>

namespace latchkey::crash {
namespace {

using State = v1::CheckResultResponse;

constexpr Milliseconds kPatience{20'000};
constexpr int kWaitSeconds = 10;  // far more than any lease of the callers
constexpr int kFailuresMax = 3;   // enough to judge; each of them takes that long
constexpr const char* kNamespaces[] = {"default", "other", "holders"};

std::vector<v1::Record> List(Service& service, State::State state) {
  std::vector<v1::Record> records;
  for (const char* name_space : kNamespaces) {
    v1::ListRecordsRequest request;
    request.set_namespace_(name_space);
    request.set_state(state);
    request.set_page_size(1000);
    do {
      const auto page = service.Call(request, kPatience);
      if (!page.ok()) return records;
      records.insert(records.end(), page.response.records().begin(), page.response.records().end());
      request.set_page_token(page.response.next_page_token());
    } while (!request.page_token().empty());
  }
  return records;
}

// Whether the key was to be had.
bool TakeAndGiveBack(Service& service, const v1::Record& record, std::size_t number) {
  v1::AcquireLockRequest acquire;
  acquire.set_namespace_(record.namespace_());
  acquire.set_key(record.key());
  acquire.set_attempt_id("settle-" + std::to_string(number));
  acquire.set_holder_id(acquire.attempt_id());
  acquire.mutable_lease_duration()->set_seconds(1);
  acquire.mutable_wait_timeout()->set_seconds(kWaitSeconds);
  acquire.set_accept_recover(true);
  const auto granted = service.Call(acquire, kPatience);
  if (!granted.ok() || granted.response.has_contention()) return false;
  if (!granted.response.has_grant()) return true;
  v1::ReleaseRequest release;
  release.set_namespace_(record.namespace_());
  release.set_key(record.key());
  release.set_fencing_token(granted.response.grant().fencing_token());
  release.set_effect(number % 2 == 0 ? v1::ReleaseRequest::UNKNOWN
                                     : v1::ReleaseRequest::RUN_NOT_EXECUTED);
  return service.Call(release, kPatience).ok();
}

}  // namespace

void Settle(Service& service) {
  std::size_t number = 0;
  int failures = 0;
  for (const State::State state : {State::HELD, State::IN_DOUBT}) {
    for (const v1::Record& record : List(service, state)) {
      if (!TakeAndGiveBack(service, record, ++number) && ++failures >= kFailuresMax) return;
    }
  }
  for (int looks = 0; looks < kWaitSeconds * 10 && !List(service, State::HELD).empty(); ++looks) {
    std::this_thread::sleep_for(Milliseconds(100));
  }
}

bool Dump(Service& service, const std::string& keys, const std::string& path) {
  std::set<std::pair<std::string, std::string>> names;
  for (const v1::Record& record : List(service, State::STATE_UNSPECIFIED)) {
    names.emplace(record.namespace_(), record.key());
  }
  std::ifstream known(keys);
  for (std::string name_space, key; known >> name_space >> key;) names.emplace(name_space, key);

  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string text = "{\"begin\":" + std::to_string(MonotonicNanos()) + ",\"records\":[";
  const char* separator = "\n";
  for (const auto& [name_space, key] : names) {
    v1::GetRecordRequest request;
    request.set_namespace_(name_space);
    request.set_key(key);
    const auto answer = service.Call(request, kPatience);
    if (!answer.ok()) return false;
    std::string json;
    if (!google::protobuf::util::MessageToJsonString(answer.response.record(), &json, options)
             .ok()) {
      return false;
    }
    text += separator + json;
    separator = ",\n";
  }
  text += "\n],\"end\":" + std::to_string(MonotonicNanos()) + "}\n";
  std::ofstream file(path);
  file << text;
  file.close();
  return file.good();
}

}  // namespace latchkey::crash
