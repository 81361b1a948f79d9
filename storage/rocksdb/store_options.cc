#include "storage/rocksdb/store_options.h"

#include <rocksdb/cache.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/table_properties_collectors.h>

namespace latchkey::storage {
namespace {

constexpr std::size_t kBlockCacheBytes = std::size_t{128} << 20;
constexpr std::uint64_t kWeekSeconds = 7 * 24 * 60 * 60;

rocksdb::BlockBasedTableOptions MakeTableOptions(const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  // A key that was never seen costs no read of the disk: 10 bits a key, kept in the bounded cache.
  table.filter_policy.reset(rocksdb::NewRibbonFilterPolicy(10));
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.format_version = 5;
  return table;
}

// Nor does it cost a search of what is not yet in a table: the lookups of new keys were a tenth of
// the time of a store under load.
void AddMemoryFilter(rocksdb::ColumnFamilyOptions& family) {
  family.memtable_prefix_bloom_size_ratio = 0.05;
  family.memtable_whole_key_filtering = true;
}

}  // namespace

rocksdb::DBOptions MakeDatabaseOptions(std::size_t write_buffer_bytes) {
  rocksdb::DBOptions options;
  // A power failure may leave any pages of the last record of the log, which was not acknowledged,
  // and not those before them; kTolerateCorruptedTailRecords then refuses to open. This one takes
  // what is before the first damage, which is a prefix; that the damage is in the last record,
  // LogCheck has made sure of.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  // What a recovery shows is in synced tables first: the log it was read from may not be synced.
  options.avoid_flush_during_recovery = false;
  // A step may touch both families: they are flushed together or not at all.
  options.atomic_flush = true;
  options.max_total_wal_size = 4 * write_buffer_bytes;
  options.max_open_files = 512;
  options.max_file_opening_threads = 2;
  options.max_background_jobs = 2;
  // Write tables out as they grow, so that a commit's sync does not queue behind a large one.
  options.bytes_per_sync = std::uint64_t{1} << 20;
  options.avoid_unnecessary_blocking_io = true;
  // Followers of a group commit sleep: two cores have better things to do than to spin for a sync.
  options.enable_write_thread_adaptive_yield = false;
  // A failure is for good (FailureLatch).
  options.max_bgerror_resume_count = 0;
  // A start reads what it must and no more.
  options.skip_stats_update_on_db_open = true;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.db_host_id.clear();  // what a table needs not say
  options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  options.keep_log_file_num = 5;
  options.max_log_file_size = std::size_t{16} << 20;
  return options;
}

FamilyOptions MakeFamilyOptions(std::size_t write_buffer_bytes) {
  const std::shared_ptr<rocksdb::Cache> cache = rocksdb::NewLRUCache(kBlockCacheBytes);
  FamilyOptions families;
  families.meta.compression = rocksdb::kNoCompression;

  rocksdb::ColumnFamilyOptions& live = families.live;
  live.write_buffer_size = write_buffer_bytes;
  AddMemoryFilter(live);
  live.compression = rocksdb::kNoCompression;
  // Most of what was written here is deleted again soon; compacted eagerly, so that a start does
  // not wade through what the deletions left.
  live.level0_file_num_compaction_trigger = 2;
  live.table_properties_collector_factories.push_back(
      rocksdb::NewCompactOnDeletionCollectorFactory(/*sliding_window_size=*/65536,
                                                    /*deletion_trigger=*/32768));
  live.table_factory.reset(rocksdb::NewBlockBasedTableFactory(MakeTableOptions(cache)));

  rocksdb::ColumnFamilyOptions& done = families.done;
  done.write_buffer_size = write_buffer_bytes;
  AddMemoryFilter(done);
  done.compression = rocksdb::kLZ4Compression;
  done.bottommost_compression = rocksdb::kZSTD;
  done.level_compaction_dynamic_level_bytes = true;
  // Retention works through compactions: no record waits longer than this for one.
  done.periodic_compaction_seconds = kWeekSeconds;
  rocksdb::BlockBasedTableOptions table = MakeTableOptions(cache);
  table.block_size = std::size_t{16} << 10;
  done.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return families;
}

}  // namespace latchkey::storage
