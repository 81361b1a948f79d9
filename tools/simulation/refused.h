// A refusal, as whoever is outside reads it.
#pragma once

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "tools/simulation/boundary.h"

namespace latchkey::simulation {

inline RefusedWith RefusedBy(const google::rpc::Status& status) {
  RefusedWith refused{"", status.SerializeAsString()};
  for (const auto& detail : status.details()) {
    google::rpc::ErrorInfo info;
    if (detail.UnpackTo(&info)) refused.reason = info.reason();
  }
  return refused;
}

}  // namespace latchkey::simulation
