// The longer parts of GetServerStatus.
#pragma once

#include "latchkey/v1/admin.pb.h"
#include "server/machine/limits.h"
#include "server/machine/namespaces.h"
#include "server/partition/live_counts.h"
#include "server/partition/quotas.h"
#include "server/retention/retention.h"

namespace latchkey {

void FillLimits(const Limits& limits, v1::GetServerStatusResponse::Limits* out);

void FillRestore(const Restore& restore, v1::GetServerStatusResponse* out);

// The namespaces that have settings of their own or live records, and "*" for all others.
void FillNamespaces(const Namespaces& namespaces, const LiveCounts& live_counts,
                    const Quotas& quotas, const Retention& retention,
                    v1::GetServerStatusResponse* out);

}  // namespace latchkey
