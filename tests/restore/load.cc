#include "tests/restore/load.h"

#include <chrono>

#include <gtest/gtest.h>

namespace latchkey {
namespace {

constexpr int kCallers = 4;

void SetDeadline(grpc::ClientContext& context) {
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
}

void SetNow(google::protobuf::Timestamp* out) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto nanos = std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
  out->set_seconds(nanos / 1'000'000'000);
  out->set_nanos(static_cast<std::int32_t>(nanos % 1'000'000'000));
}

std::string ReferenceOf(const std::string& key, std::uint64_t token) {
  return "pay_" + key + "_" + std::to_string(token);
}

template <class Compare>
void Move(std::atomic<std::uint64_t>& to, std::uint64_t token, Compare before) {
  std::uint64_t current = to.load();
  while (before(token, current) && !to.compare_exchange_weak(current, token)) {
  }
}

}  // namespace

void Provider::Act(const std::string& key) {
  std::lock_guard lock(mutex_);
  ++effects_[key];
}

int Provider::Effects(const std::string& key) const {
  std::lock_guard lock(mutex_);
  const auto found = effects_.find(key);
  return found == effects_.end() ? 0 : found->second;
}

std::vector<std::string> Provider::Doubled() const {
  std::lock_guard lock(mutex_);
  std::vector<std::string> doubled;
  for (const auto& [key, effects] : effects_) {
    if (effects > 1) doubled.push_back(key);
  }
  return doubled;
}

Load::Load(std::string name, const std::string& address, Provider& provider)
    : name_(std::move(name)),
      provider_(provider),
      stub_(v1::CoordinationService::NewStub(
          grpc::CreateChannel(address, grpc::InsecureChannelCredentials()))) {
  for (int caller = 0; caller < kCallers; ++caller) {
    threads_.emplace_back([this, caller] { Run(caller); });
  }
}

void Load::Join() {
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

std::map<std::string, std::string> Load::recorded() const {
  std::lock_guard lock(mutex_);
  return recorded_;
}

std::set<std::string> Load::begun() const {
  std::lock_guard lock(mutex_);
  return begun_;
}

void Load::Run(int caller) {
  const std::string prefix = name_ + ":" + std::to_string(caller) + ":";
  for (int number = 0; Do(prefix + std::to_string(number)); ++number) {
  }
}

// False: the server is gone, and what became of the key is not known.
bool Load::Do(const std::string& key) {
  {
    std::lock_guard lock(mutex_);
    begun_.insert(key);
  }
  v1::AcquireLockRequest request;
  request.set_key(key);
  request.set_attempt_id("load");
  request.mutable_lease_duration()->set_seconds(900);
  SetNow(request.mutable_first_sent_at());
  v1::AcquireLockResponse response;
  grpc::ClientContext context;
  SetDeadline(context);
  if (!stub_->AcquireLock(&context, request, &response).ok()) return false;
  EXPECT_EQ(response.grant().mode(), v1::Grant::EXECUTE) << response.ShortDebugString();
  const std::uint64_t token = response.grant().fencing_token();
  Move(lowest_, token, std::less<>());
  Move(highest_, token, std::greater<>());
  provider_.Act(key);
  if (!RecordSuccess(*stub_, key, token)) return false;
  std::lock_guard lock(mutex_);
  recorded_[key] = ReferenceOf(key, token);
  ++recorded_count_;
  return true;
}

v1::AcquireLockResponse AskFor(v1::CoordinationService::Stub& stub, const std::string& key,
                               const std::string& attempt, bool accept_recover) {
  v1::AcquireLockRequest request;
  request.set_key(key);
  request.set_attempt_id(attempt);
  request.mutable_lease_duration()->set_seconds(900);
  request.set_accept_recover(accept_recover);
  v1::AcquireLockResponse response;
  grpc::ClientContext context;
  SetDeadline(context);
  const grpc::Status status = stub.AcquireLock(&context, request, &response);
  EXPECT_TRUE(status.ok()) << key << ": " << status.error_message();
  return response;
}

bool RecordSuccess(v1::CoordinationService::Stub& stub, const std::string& key,
                   std::uint64_t token) {
  v1::RecordResultRequest request;
  request.set_key(key);
  request.set_fencing_token(token);
  request.set_outcome(v1::Result::SUCCEEDED);
  request.set_provider_reference(ReferenceOf(key, token));
  v1::RecordResultResponse response;
  grpc::ClientContext context;
  SetDeadline(context);
  return stub.RecordResult(&context, request, &response).ok();
}

}  // namespace latchkey
