// Opens the store that the settings name.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "server/main/settings.h"
#include "storage/record_store.h"

namespace latchkey {

// `expire` says what a store that compacts may reclaim. An error with one line that says what is
// wrong.
absl::StatusOr<std::unique_ptr<storage::RecordStore>> OpenStore(const Settings& settings,
                                                                Clock& clock,
                                                                storage::Expire expire);

}  // namespace latchkey
