// The bytes of a stored record: one byte of format version, then the protobuf message.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "latchkey/storage/v1/record.pb.h"

namespace latchkey::storage {

// The version this build writes, and the only one it reads.
inline constexpr char kRecordFormatVersion = 1;

// Appends the encoded record to `out`.
void EncodeRecord(const v1::Record& record, std::string* out);

// DATA_LOSS for bytes that are no record; FAILED_PRECONDITION for a format version this build does not
// know. Never crashes, whatever the bytes.
absl::StatusOr<v1::Record> DecodeRecord(std::string_view bytes);

}  // namespace latchkey::storage
