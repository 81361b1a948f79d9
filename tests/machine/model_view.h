// The machine's records and answers, in the naive model's words, so that the two can be compared.
#pragma once

#include <string>

#include "latchkey/v1/admin.pb.h"
#include "latchkey/v1/coordination.pb.h"
#include "server/machine/record_machine.h"
#include "tests/machine/naive_model.h"

namespace latchkey::naive {

// The record. A payload that is not kept is found again by its digest; see SentPayload.
Stored ViewRecord(const KeyState& key);

// What every answer has.
Answer ViewStep(const Step& step);

void View(const v1::AcquireLockResponse& response, Answer* answer);
void View(const v1::CheckResultResponse& response, Answer* answer);
void View(const v1::RecordResultResponse& response, Answer* answer);

State ViewState(v1::CheckResultResponse::State state);

// The payload with this SHA-256 among those the model test sends; "(unknown)" for any other digest.
std::string SentPayload(const std::string& digest);

// Differences for people: "field: real ..., model ...", one a line.
std::string Difference(const Answer& real, const Answer& model);
std::string Difference(const Stored& real, const Stored& model);

}  // namespace latchkey::naive
