#include "latchkey/testing/fake_service.h"

#include <utility>

#include "testing/src/fake_connection.h"
#include "testing/src/script.h"

namespace latchkey::testing {
namespace {

using Key = testing_internal::Script::Key;

// A key is forgotten after 90 days unless the service is set up otherwise, and its payload after 3.
Completed CompletedAs(StoredResult::Outcome outcome, ResultFields fields) {
  return {.result = {.outcome = outcome,
                     .code = std::move(fields.code),
                     .provider_reference = std::move(fields.provider_reference),
                     .content_type = std::move(fields.content_type),
                     .payload = std::move(fields.payload),
                     .fencing_token = 1},
          .body_expires_in = std::chrono::hours(72),
          .key_expires_in = std::chrono::hours(24 * 90)};
}

}  // namespace

Completed AlreadySucceeded(ResultFields fields) {
  return CompletedAs(StoredResult::Outcome::kSucceeded, std::move(fields));
}

Completed AlreadyRejected(ResultFields fields) {
  return CompletedAs(StoredResult::Outcome::kRejected, std::move(fields));
}

Error Unavailable(std::string reason) {
  return {.kind = Error::Kind::kUnavailable,
          .reason = std::move(reason),
          .message = "FakeService has no answer"};
}

Error Refused(std::string reason) {
  return {.kind = Error::Kind::kRefused,
          .reason = std::move(reason),
          .message = "FakeService refuses this"};
}

FakeService::FakeService() : script_(std::make_shared<testing_internal::Script>()) {}

FakeService::~FakeService() = default;

Client FakeService::Connect(ClientOptions options) {
  return Client(std::make_shared<testing_internal::FakeConnection>(script_), std::move(options));
}

void FakeService::WillAnswer(std::string_view key, AcquireScript answer) {
  script_->With(key, [&](Key& found) { found.answers.push_back(std::move(answer)); });
}

void FakeService::WillRecord(std::string_view key, RecordScript answer) {
  script_->With(key, [&](Key& found) { found.record_answers.push_back(std::move(answer)); });
}

void FakeService::SetStatus(std::string_view key, KeyStatus status) {
  script_->With(key, [&](Key& found) { found.status = std::move(status); });
}

void FakeService::LoseLease(std::string_view key, std::string reason) {
  script_->With(key, [&](Key& found) { found.lost_reason = std::move(reason); });
}

void FakeService::SetUnavailable(bool unavailable) { script_->SetUnavailable(unavailable); }

void FakeService::AdvanceTime(std::chrono::nanoseconds by) { script_->AdvanceTime(by); }

std::vector<Asked> FakeService::asked(std::string_view key) const {
  return script_->With(key, [](const Key& found) { return found.asked; });
}

std::vector<Outcome> FakeService::recorded(std::string_view key) const {
  return script_->With(key, [](const Key& found) { return found.recorded; });
}

std::vector<Effect> FakeService::released(std::string_view key) const {
  return script_->With(key, [](const Key& found) { return found.released; });
}

std::optional<std::string> FakeService::checkpoint(std::string_view key) const {
  return script_->With(key, [](const Key& found) { return found.checkpoint; });
}

bool FakeService::effect_started(std::string_view key) const {
  return script_->With(key, [](const Key& found) { return found.effect_started; });
}

}  // namespace latchkey::testing
