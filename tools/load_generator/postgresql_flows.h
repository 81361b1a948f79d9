// Flows against PostgreSQL, by libpq without blocking.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "tools/load_generator/closed_loop.h"

namespace latchkey::bench {

// Makes the table that the flows use. `server` is a connection string of libpq.
absl::Status PreparePostgresql(const std::string& server);

// With a connection for each flow, every statement prepared on it.
absl::StatusOr<std::unique_ptr<Driver>> ConnectPostgresql(const std::string& server,
                                                          int connections);

}  // namespace latchkey::bench
