// Results and reports: how an outcome is kept, shown, and compared with others.
#pragma once

#include <string>
#include <string_view>

#include "latchkey/storage/v1/record.pb.h"
#include "server/machine/limits.h"
#include "server/machine/record_machine.h"

namespace latchkey {

// The longest prefix of at most `bytes_max` bytes that ends at a UTF-8 character.
std::string_view CutUtf8(std::string_view text, std::size_t bytes_max);

// What a caller reports, before it is known whether it may be recorded.
struct Report {
  v1::Result::Outcome outcome = v1::Result::OUTCOME_UNSPECIFIED;
  std::string_view code;
  std::string_view provider_reference;
  std::string_view content_type;
  std::string_view payload;
};

// Stores a report as the record's result; what is too long is cut, never refused (rule 10).
// `payload_retention` is already clamped.
void StoreResult(const Report& report, Duration payload_retention, bool late,
                 const Context& context, storage::v1::Record& record);

// Shows the stored result. Without payload where its retention is over; `with_payload` false leaves
// it out without saying that it has expired.
void ShowResult(const storage::v1::Record& record, const Context& context, bool with_payload,
                v1::Result* out);

// Takes out a payload whose retention is over and keeps its digest, so that the result is shown and
// compared as before. False: there is none to take out.
bool DropExpiredPayload(storage::v1::Record& record, WallTime retention_now);

// Whether the payload is kept no more, and how long it still is.
bool PayloadExpired(const storage::v1::Record& record, WallTime retention_now);
Duration PayloadRemaining(const storage::v1::Record& record, WallTime retention_now);

// Whether the report is the result that is stored: same outcome, code, reference, content type and
// payload digest, after cutting.
bool SameResult(const Report& report, const storage::v1::Record& record, const Limits& limits);

// Keeps a report that could not be recorded (rule 7), as the last of late_outcomes and also past
// their limit. False if an identical one was kept before.
bool KeepLateOutcome(const Report& report, std::uint64_t fencing_token, const Context& context,
                     storage::v1::Record& record);

// Whether the reports contradict each other: a late SUCCEEDED beside a recorded REJECTED, or beside
// another SUCCEEDED whose reference is another or missing.
bool SuspectsDuplicateEffect(const storage::v1::Record& record);

}  // namespace latchkey
