#include "storage/rocksdb/merged_scan.h"

#include <memory>
#include <string>
#include <utility>

#include "storage/record_codec.h"
#include <rocksdb/db.h>
#include <rocksdb/snapshot.h>

namespace latchkey::storage {
namespace {

struct Cursor {
  std::unique_ptr<rocksdb::Iterator> iterator;
  Revision revision = 0;
};

// The first key above all that start with `prefix`; empty: there is none.
std::string PrefixEnd(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xff') prefix.pop_back();
  if (!prefix.empty()) ++prefix.back();
  return prefix;
}

void Position(const ScanRequest& request, rocksdb::Iterator& iterator) {
  if (request.after < request.prefix) {
    iterator.Seek(request.prefix);
    return;
  }
  iterator.Seek(request.after);
  if (iterator.Valid() && iterator.key() == rocksdb::Slice(request.after)) iterator.Next();
}

// The cursor with the lowest key; null when all have come to their end.
Cursor* Lowest(std::vector<Cursor>& cursors) {
  Cursor* lowest = nullptr;
  for (Cursor& cursor : cursors) {
    if (!cursor.iterator->Valid()) continue;
    if (lowest == nullptr || cursor.iterator->key().compare(lowest->iterator->key()) < 0) {
      lowest = &cursor;
    }
  }
  return lowest;
}

}  // namespace

rocksdb::Status MergedScan(rocksdb::DB& database, std::span<const ScannedFamily> families,
                           const ScanRequest& request, std::vector<Scanned>* found) {
  rocksdb::ManagedSnapshot snapshot(&database);
  const std::string end = PrefixEnd(request.prefix);
  const rocksdb::Slice upper_bound(end);
  rocksdb::ReadOptions options;
  options.snapshot = snapshot.snapshot();
  options.fill_cache = false;
  if (!end.empty()) options.iterate_upper_bound = &upper_bound;

  std::vector<Cursor> cursors;
  for (const ScannedFamily& family : families) {
    Cursor& cursor = cursors.emplace_back();
    cursor.iterator.reset(database.NewIterator(options, family.family));
    cursor.revision = family.revision;
    Position(request, *cursor.iterator);
  }
  while (found->size() < request.limit) {
    Cursor* lowest = Lowest(cursors);
    if (lowest == nullptr) break;
    const rocksdb::Slice value = lowest->iterator->value();
    found->push_back({lowest->iterator->key().ToString(),
                      DecodeLoaded({value.data(), value.size()}, lowest->revision)});
    lowest->iterator->Next();
  }
  for (const Cursor& cursor : cursors) {
    if (!cursor.iterator->status().ok()) return cursor.iterator->status();
  }
  return rocksdb::Status::OK();
}

}  // namespace latchkey::storage
