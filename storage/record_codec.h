// The bytes of a stored record: one byte of format version, then the protobuf message.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "latchkey/storage/v1/record.pb.h"
#include "storage/record_store.h"

namespace latchkey::storage {

// The version this build writes, and the only one it reads.
inline constexpr char kRecordFormatVersion = 1;

// Appends the encoded record to `out`. Its strings must be UTF-8, as everything that came by gRPC
// is.
void EncodeRecord(const v1::Record& record, std::string* out);

// The bytes of what `write` stores, with `token` in place of the record's own where it asks for
// one. Not for a write that deletes.
std::string EncodeWrite(const Write& write, std::uint64_t token);

// DATA_LOSS for bytes that are no record; FAILED_PRECONDITION for a format version this build does
// not know. Never crashes, whatever the bytes.
absl::StatusOr<v1::Record> DecodeRecord(std::string_view bytes);

// What a store answers for these bytes: the record, or that it is corrupt.
Loaded DecodeLoaded(std::string_view bytes, Revision revision);

}  // namespace latchkey::storage
