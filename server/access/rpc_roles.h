// Which role each call needs: the one table. A call that is not in it does not compile.
//
// Health is open to everybody. A session, and server reflection, are open to whoever is known; what
// comes by a session is looked at call by call.
#pragma once

#include "server/access/roles.h"

namespace latchkey::v1 {
class AcquireLockRequest;
class CheckResultRequest;
class ClearRestoreDoubtRequest;
class CreateBackupRequest;
class DeleteRecordRequest;
class ForceReleaseRequest;
class GetRecordRequest;
class GetServerStatusRequest;
class IssueKeyRequest;
class ListRecordsRequest;
class RecordResultRequest;
class ReleaseRequest;
class RenewLeaseRequest;
class ResolveOutcomeRequest;
class WatchRecordsRequest;
}  // namespace latchkey::v1

namespace latchkey {

// In the namespace of the request.
template <class Request>
struct RoleFor;
// In all namespaces: the request has none.
template <class Request>
struct RoleEverywhereFor;

template <Role Needed>
struct Needs {
  static constexpr Role kRole = Needed;
};

// clang-format off
template <> struct RoleFor<v1::AcquireLockRequest> : Needs<Role::kUse> {};
template <> struct RoleFor<v1::RenewLeaseRequest> : Needs<Role::kUse> {};
template <> struct RoleFor<v1::CheckResultRequest> : Needs<Role::kRead> {};
template <> struct RoleFor<v1::RecordResultRequest> : Needs<Role::kUse> {};
template <> struct RoleFor<v1::ReleaseRequest> : Needs<Role::kUse> {};
template <> struct RoleFor<v1::IssueKeyRequest> : Needs<Role::kUse> {};
template <> struct RoleFor<v1::GetRecordRequest> : Needs<Role::kRead> {};
template <> struct RoleFor<v1::ListRecordsRequest> : Needs<Role::kRead> {};
template <> struct RoleFor<v1::WatchRecordsRequest> : Needs<Role::kRead> {};
template <> struct RoleFor<v1::ResolveOutcomeRequest> : Needs<Role::kAdmin> {};
template <> struct RoleFor<v1::ForceReleaseRequest> : Needs<Role::kAdmin> {};
template <> struct RoleFor<v1::DeleteRecordRequest> : Needs<Role::kAdmin> {};
template <> struct RoleEverywhereFor<v1::GetServerStatusRequest> : Needs<Role::kRead> {};
template <> struct RoleEverywhereFor<v1::CreateBackupRequest> : Needs<Role::kAdmin> {};
template <> struct RoleEverywhereFor<v1::ClearRestoreDoubtRequest> : Needs<Role::kAdmin> {};
// clang-format on

}  // namespace latchkey
