// Reads Latchkey's records the way any operator can.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "latchkey/v1/admin.pb.h"

namespace latchkey::demo {

// Every record of a namespace, page by page, from the AdminService at `address`.
absl::StatusOr<std::vector<latchkey::v1::Record>> ListRecords(const std::string& address,
                                                              const std::string& key_namespace);

}  // namespace latchkey::demo
