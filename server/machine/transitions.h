// The arrows between a record's states (CONTRACT section 3), one function each, and the few
// questions that the decisions ask about a record. Which arrow a command takes is decided in
// record_machine.cc.
#pragma once

#include <string_view>

#include "latchkey/storage/v1/record.pb.h"
#include "server/machine/record_machine.h"
#include "server/machine/results.h"

namespace latchkey {

using State = v1::CheckResultResponse;  // State::ABSENT, State::HELD, ...
using storage::v1::Record;

// ABSENT where there is no record, or one that only keeps audit entries.
State::State StateOf(const KeyState& key);

// Takes a record that is forgotten for absent. Every decision begins with this.
void Forget(KeyState& key, const Context& context);

// -> HELD. Begins a run where the key is absent, else goes on with it; the token comes with the
// commit.
void ToHeld(KeyState& key, const v1::AcquireLockRequest& request, v1::Grant::Mode mode,
            const Context& context);

// -> IN_DOUBT: from now on the run is in doubt until a result or an explicit end.
void ToDoubt(Record& record, const Context& context);

// HELD or IN_DOUBT -> COMPLETED. Sets duplicate_effect_suspected where reports contradict each
// other.
void ToCompleted(KeyState& key, const Report& report, Duration payload_retention, bool late,
                 const Context& context, Step& step);

// -> ABSENT. Audit entries stay, and reports that were kept become audit entries.
void ToAbsent(KeyState& key, const Context& context);

// Whether the end of this grant without the holder's word is harmless, by its on_lapse.
bool LapseIsForgotten(const Record& record, const Context& context);

// Adds an entry. Where there are too many the oldest goes, reports before what operators did.
void Audit(Record& record, v1::AuditEntry entry, const Limits& limits);

// Keeps a report for a key without a run, in the audit entries. False if it was kept before.
bool KeepOrphanedReport(KeyState& key, const Report& report, std::uint64_t fencing_token,
                        const Context& context);

// Sets duplicate_effect_suspected if the reports now contradict each other.
void Suspect(Record& record, Step& step);

}  // namespace latchkey
