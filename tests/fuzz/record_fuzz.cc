// The codec of stored records (S3): whatever the bytes, an answer and no crash; every other version
// is refused as such; and what was decoded is the same after it was encoded and decoded again.
#include <cstdint>
#include <string>

#include "storage/record_codec.h"
#include "tests/fuzz/silence_protobuf.h"
#include "tests/fuzz/violation.h"

namespace latchkey::fuzz {
namespace {

using storage::DecodeLoaded;
using storage::DecodeRecord;
using storage::EncodeRecord;
using storage::kRecordFormatVersion;
using storage::v1::Record;

void MustSurvive(const Record& record) {
  std::string bytes;
  EncodeRecord(record, &bytes);
  const auto again = DecodeRecord(bytes);
  if (!again.ok()) Violated("S3", "what was encoded cannot be decoded");
  if (again->SerializeAsString() != record.SerializeAsString()) {
    Violated("S3", "decode(encode(x)) is not x");
  }
}

void Decode(const std::string& bytes) {
  const auto record = DecodeRecord(bytes);
  const bool of_this_version = !bytes.empty() && bytes.front() == kRecordFormatVersion;
  if (record.ok() && !of_this_version) Violated("S3", "an unknown version was read");
  const bool other_version = !bytes.empty() && !of_this_version;
  if (other_version && record.status().code() != absl::StatusCode::kFailedPrecondition) {
    Violated("S3", "an unknown version is not refused as one");
  }
  const storage::Loaded loaded = DecodeLoaded(bytes, 7);
  if (loaded.corrupt == record.ok() || loaded.record.has_value() != record.ok()) {
    Violated("S3", "a store takes a record for another one than the codec does");
  }
  if (record.ok()) MustSurvive(*record);
}

}  // namespace
}  // namespace latchkey::fuzz

// As they are, and as the body of a record of this version.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  latchkey::fuzz::SilenceProtobuf();
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  latchkey::fuzz::Decode(bytes);
  latchkey::fuzz::Decode(latchkey::storage::kRecordFormatVersion + bytes);
  return 0;
}
