// What can be refused by looking at the request alone: missing, malformed, too long, out of range.
// Runs before anything is looked up, so that a malformed call gets the same answer whatever is
// stored.
#pragma once

#include <optional>

#include "server/machine/limits.h"
#include "server/machine/refusal.h"

namespace latchkey::v1 {
class AcquireLockRequest;
class CheckResultRequest;
class ClearRestoreDoubtRequest;
class CreateBackupRequest;
class DeleteRecordRequest;
class ForceReleaseRequest;
class GetRecordRequest;
class IssueKeyRequest;
class ListRecordsRequest;
class RecordResultRequest;
class ReleaseRequest;
class RenewLeaseRequest;
class ResolveOutcomeRequest;
class WatchRecordsRequest;
}  // namespace latchkey::v1

namespace latchkey {

struct CheckContext {
  const Limits* limits = nullptr;
  // Of the request's namespace.
  const NamespaceSettings* settings = nullptr;
  // The latest the wall clock can be; see Now.
  WallTime latest;
};

// The first thing wrong with the request, in the order of its fields; nothing if all is well.
[[nodiscard]] std::optional<Refusal> CheckRequest(const v1::AcquireLockRequest&,
                                                  const CheckContext&);
[[nodiscard]] std::optional<Refusal> CheckRequest(const v1::RenewLeaseRequest&,
                                                  const CheckContext&);
[[nodiscard]] std::optional<Refusal> CheckRequest(const v1::CheckResultRequest&,
                                                  const CheckContext&);
[[nodiscard]] std::optional<Refusal> CheckRequest(const v1::RecordResultRequest&,
                                                  const CheckContext&);
[[nodiscard]] std::optional<Refusal> CheckRequest(const v1::ReleaseRequest&, const CheckContext&);
[[nodiscard]] std::optional<Refusal> CheckRequest(const v1::IssueKeyRequest&, const CheckContext&);
[[nodiscard]] std::optional<Refusal> CheckRequest(const v1::GetRecordRequest&, const CheckContext&);
[[nodiscard]] std::optional<Refusal> CheckRequest(const v1::ListRecordsRequest&,
                                                  const CheckContext&);
[[nodiscard]] std::optional<Refusal> CheckRequest(const v1::ResolveOutcomeRequest&,
                                                  const CheckContext&);
[[nodiscard]] std::optional<Refusal> CheckRequest(const v1::ForceReleaseRequest&,
                                                  const CheckContext&);
[[nodiscard]] std::optional<Refusal> CheckRequest(const v1::DeleteRecordRequest&,
                                                  const CheckContext&);
[[nodiscard]] std::optional<Refusal> CheckRequest(const v1::ClearRestoreDoubtRequest&,
                                                  const CheckContext&);
[[nodiscard]] std::optional<Refusal> CheckRequest(const v1::CreateBackupRequest&,
                                                  const CheckContext&);
[[nodiscard]] std::optional<Refusal> CheckRequest(const v1::WatchRecordsRequest&,
                                                  const CheckContext&);

}  // namespace latchkey
