// All that a store holds as a text, one record a line, and a store from that text: to look into
// one, or to move from one kind of store to another. The format is described in
// docs/storage-format.md.
#pragma once

#include <cstdint>
#include <istream>
#include <ostream>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/time.h"
#include "storage/record_store.h"

namespace latchkey::storage {

// Of the text; the only one that is read.
inline constexpr std::uint32_t kExportFormatVersion = 1;

struct Exported {
  std::uint64_t records = 0;
  std::uint64_t fencing_token = 0;
};

// Writes everything. Nobody else may write to the store meanwhile. DATA_LOSS, with the key, at a
// record that cannot be decoded: nothing is left out without a word.
absl::StatusOr<Exported> ExportRecords(RecordStore& store, WallTime now, std::ostream& out);

struct ImportOrder {
  // The machine's clock.
  WallTime now;
  // The exported store was stopped before, and nobody serves from it again: so nothing has happened
  // since, and leases go on as after a restart. Otherwise the text is taken for what a backup is,
  // and the doubt of a restore is open.
  bool moved = false;
};

struct Imported {
  std::uint64_t records = 0;
  std::uint64_t token_before = 0;  // the exported store's highest
  std::uint64_t token_now = 0;     // new ones begin above it
};

// Fills a store that has nothing in it. INVALID_ARGUMENT, with the number of the line, for a text
// that is no such export, or was cut off; FAILED_PRECONDITION for another format version and for a
// store that is not empty. A store that was not filled to the end must not be used.
absl::StatusOr<Imported> ImportRecords(std::istream& in, const ImportOrder& order,
                                       RecordStore& store);

}  // namespace latchkey::storage
