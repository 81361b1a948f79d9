#include "server/main/event_log.h"

#include "absl/strings/escaping.h"
#include "latchkey/v1/admin.pb.h"
#include "storage/store_key.h"
#include <openssl/sha.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace latchkey {
namespace {

// Enough to find a key's lines again, and too little to guess the key from.
constexpr std::size_t kHashBytes = 8;

std::string HashOf(const std::string& store_key) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(store_key.data()), store_key.size(), digest);
  std::string hex;
  for (std::size_t i = 0; i < kHashBytes; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

// Free text, in quotes and on one line, whatever is in it.
std::string Quoted(const std::string& text) { return "\"" + absl::Utf8SafeCEscape(text) + "\""; }

}  // namespace

void StartLog(const std::string& level) {
  auto logger = spdlog::stderr_logger_mt("latchkeyd");
  logger->set_pattern("time=%Y-%m-%dT%H:%M:%S.%e%z level=%l %v");
  logger->set_level(spdlog::level::from_str(level));
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
}

void SetLogLevel(const std::string& level) {
  spdlog::default_logger()->set_level(spdlog::level::from_str(level));
}

std::string EventLog::Describe(const std::string& store_key, const Call* call) const {
  const auto parts = storage::SplitStoreKey(store_key);
  std::string text =
      log_keys_ ? fmt::format("namespace={} key={}", parts.name_space, parts.key)
                : fmt::format("namespace={} key_hash={}", parts.name_space, HashOf(store_key));
  if (call == nullptr) return text;
  if (const auto trace = call->trace()) {
    text += fmt::format(" trace_id={} span_id={}", trace->trace_id, trace->span_id);
  }
  return text;
}

void EventLog::Write(const std::string& store_key, const Step& step, const Call* call) const {
  if (step.duplicate_suspected) {
    spdlog::warn(
        "event=duplicate_effect_suspected {} hint=\"compare its late_outcomes with its result: "
        "GetRecord\"",
        Describe(store_key, call));
  }
  if (step.audited.has_value()) {
    // A lease that an operator ends is not one whose holder fell silent.
    const v1::AuditEntry& done = *step.audited;
    spdlog::info("event=operator_action {} action={} actor={} fencing_token={} detail={} reason={}",
                 Describe(store_key, call), done.action(), done.actor(), done.fencing_token(),
                 Quoted(done.detail()), Quoted(done.reason()));
  } else if (step.lapsed) {
    spdlog::info("event=lease_lapsed {} effect_started={}", Describe(store_key, call),
                 step.lapsed_started);
  }
  if (step.late_outcome_kept) spdlog::info("event=late_outcome_kept {}", Describe(store_key, call));
  if (step.refusal.has_value() && spdlog::should_log(spdlog::level::debug)) {
    spdlog::debug("event=refused {} reason={}", Describe(store_key, call),
                  v1::Refusal::Reason_Name(step.refusal->reason));
  }
}

void EventLog::OnStoreAction(const v1::AuditEntry& done) {
  spdlog::info("event=operator_action action={} actor={} detail={} reason={}", done.action(),
               done.actor(), Quoted(done.detail()), Quoted(done.reason()));
}

void EventLog::OnRoom(Room room, std::uint64_t free_bytes, std::uint64_t reserve_bytes) {
  const auto write = [&](spdlog::level::level_enum level, const char* event, const char* hint) {
    spdlog::log(level, "event={} free_bytes={} reserve_bytes={} hint=\"{}\"", event, free_bytes,
                reserve_bytes, hint);
  };
  switch (room) {
    case Room::kPlenty:
      return write(spdlog::level::info, "storage_has_room", "new records are taken");
    case Room::kLittle:
      return write(spdlog::level::warn, "storage_nearly_full",
                   "make room: new records are refused once no more than the reserve is free");
    case Room::kNone:
      return write(spdlog::level::err, "storage_full",
                   "new records are refused with STORAGE_FULL; results are still recorded");
  }
}

void EventLog::OnStall(Duration gap) {
  spdlog::warn("event=stall milliseconds={} hint=\"live leases were extended by as much\"",
               std::chrono::duration_cast<std::chrono::milliseconds>(gap).count());
}

}  // namespace latchkey
