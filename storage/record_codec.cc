#include "storage/record_codec.h"

#include <utility>

namespace latchkey::storage {
namespace {

bool KnownState(latchkey::v1::CheckResultResponse::State state) {
  return state >= latchkey::v1::CheckResultResponse::ABSENT &&
         state <= latchkey::v1::CheckResultResponse::COMPLETED;
}

// What any record has, whoever wrote it; bytes that happen to parse rarely do.
bool Plausible(const v1::Record& record) {
  if (!KnownState(record.state())) return false;
  const bool completed = record.state() == latchkey::v1::CheckResultResponse::COMPLETED;
  if (completed != record.has_result()) return false;
  if (record.state() == latchkey::v1::CheckResultResponse::ABSENT) return true;
  return record.fencing_token() != 0;
}

}  // namespace

void EncodeRecord(const v1::Record& record, std::string* out) {
  out->push_back(kRecordFormatVersion);
  record.AppendToString(out);
}

std::string EncodeWrite(const Write& write, std::uint64_t token) {
  std::string bytes;
  if (!write.assign_token) {
    EncodeRecord(*write.record, &bytes);
    return bytes;
  }
  v1::Record granted = *write.record;
  granted.set_fencing_token(token);
  EncodeRecord(granted, &bytes);
  return bytes;
}

absl::StatusOr<v1::Record> DecodeRecord(std::string_view bytes) {
  if (bytes.empty()) return absl::DataLossError("record is empty");
  if (bytes.front() != kRecordFormatVersion) {
    return absl::FailedPreconditionError(
        "record has format version " + std::to_string(static_cast<unsigned char>(bytes.front())) +
        ", this build reads version " + std::to_string(kRecordFormatVersion));
  }
  v1::Record record;
  if (!record.ParseFromArray(bytes.data() + 1, static_cast<int>(bytes.size() - 1)) ||
      !Plausible(record)) {
    return absl::DataLossError("record cannot be decoded");
  }
  return record;
}

Loaded DecodeLoaded(std::string_view bytes, Revision revision) {
  absl::StatusOr<v1::Record> record = DecodeRecord(bytes);
  if (!record.ok()) return {.record = {}, .revision = revision, .corrupt = true};
  return {.record = *std::move(record), .revision = revision, .corrupt = false};
}

}  // namespace latchkey::storage
