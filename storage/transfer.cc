#include "storage/transfer.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "latchkey/storage/v1/export.pb.h"
#include "storage/restored_state.h"
#include "storage/store_key.h"
#include <google/protobuf/util/json_util.h>

namespace latchkey::storage {
namespace {

namespace json = google::protobuf::util;

constexpr std::size_t kPage = 500;

// A key as it may be shown: the zero byte between its parts is a slash.
std::string Shown(const std::string& store_key) {
  const StoreKeyParts parts = SplitStoreKey(store_key);
  return std::string(parts.name_space).append("/").append(parts.key);
}

absl::Status WriteLine(const v1::ExportLine& line, std::ostream& out) {
  json::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string text;
  if (const auto printed = json::MessageToJsonString(line, &text, options); !printed.ok()) {
    return absl::InternalError("a record cannot be written as JSON: " + printed.ToString());
  }
  out << text << '\n';
  return out.good() ? absl::OkStatus() : absl::UnavailableError("the export cannot be written");
}

absl::Status ExportHeader(RecordStore& store, WallTime now, std::ostream& out, Exported& exported) {
  absl::StatusOr<StoreState> state = store.LoadState();
  if (!state.ok()) return state.status();
  exported.fencing_token = store.HighestToken();
  v1::ExportLine line;
  auto& header = *line.mutable_header();
  header.set_format_version(kExportFormatVersion);
  header.set_fencing_token(exported.fencing_token);
  *header.mutable_state() = *std::move(state);
  header.set_exported_at_nanos(ToNanos(now));
  return WriteLine(line, out);
}

// Reads an export line by line.
class Reader {
 public:
  explicit Reader(std::istream& in) : in_(in) {}

  absl::Status Wrong(const std::string& what) const {
    return absl::InvalidArgumentError("line " + std::to_string(number_) + ": " + what);
  }

  absl::StatusOr<v1::ExportLine> Next(bool unknown_fields = false) {
    std::string text;
    ++number_;
    if (!std::getline(in_, text)) {
      return Wrong("the export was cut off: it has no end; export again");
    }
    v1::ExportLine line;
    json::JsonParseOptions options;
    options.ignore_unknown_fields = unknown_fields;
    if (const auto parsed = json::JsonStringToMessage(text, &line, options); !parsed.ok()) {
      return Wrong("this is no line of an export: " + parsed.ToString());
    }
    return line;
  }

  bool AtEnd() { return in_.peek() == std::istream::traits_type::eof(); }

 private:
  std::istream& in_;
  std::uint64_t number_ = 0;
};

absl::StatusOr<v1::ExportHeader> ReadHeader(Reader& reader) {
  // Another version may have what this one does not know.
  auto line = reader.Next(/*unknown_fields=*/true);
  if (!line.ok()) return line.status();
  if (!line->has_header()) return reader.Wrong("an export begins with its header");
  const std::uint32_t version = line->header().format_version();
  if (version == kExportFormatVersion) return std::move(*line->mutable_header());
  return absl::FailedPreconditionError(
      "the export has format version " + std::to_string(version) + ", this build reads version " +
      std::to_string(kExportFormatVersion) + ": import it with the Latchkey that wrote it");
}

absl::Status CheckEmpty(RecordStore& store) {
  const auto found = store.Scan({.prefix = {}, .after = {}, .limit = 1});
  if (!found.ok()) return found.status();
  // A shared store counts tokens from what it has in common with other deployments.
  const bool new_tokens = !store.exclusive() || store.HighestToken() == 0;
  if (found->empty() && new_tokens) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "the store is not empty: an import fills a new store, and adds to none");
}

// What is wrong with a record, or an empty text.
std::string WhatIsWrong(const v1::ExportedRecord& exported, const std::string& last,
                        std::uint64_t fencing_token) {
  using State = latchkey::v1::CheckResultResponse;
  constexpr char kZero = '\0';
  const Record& record = exported.record();
  if (exported.namespace_().empty() || exported.namespace_().find(kZero) != std::string::npos ||
      exported.key().empty() || exported.key().find(kZero) != std::string::npos) {
    return "a record has no namespace or no key";
  }
  if (MakeStoreKey(exported.namespace_(), exported.key()) <= last) {
    return "the records are not in order, or one is there twice";
  }
  if (!State::State_IsValid(record.state()) || record.state() == State::STATE_UNSPECIFIED) {
    return "a record has no state";
  }
  if (record.fencing_token() > fencing_token) {
    return "a record has a higher token than the header says was given";
  }
  return "";
}

absl::Status CommitAll(const std::vector<std::pair<std::string, Record>>& records,
                       RecordStore& store) {
  std::vector<Write> writes;
  writes.reserve(records.size());
  for (const auto& [store_key, record] : records) {
    writes.push_back({.store_key = store_key, .expected = 0, .record = &record});
  }
  const auto results = store.Commit(writes);
  if (!results.ok()) return results.status();
  const bool all = std::ranges::all_of(*results, [](const WriteResult& result) {
    return result.outcome == WriteResult::Outcome::kCommitted;
  });
  return all ? absl::OkStatus()
             : absl::UnavailableError(
                   "the store did not take a record; somebody else writes to it");
}

absl::StatusOr<std::uint64_t> ImportAllRecords(Reader& reader, std::uint64_t fencing_token,
                                               RecordStore& store) {
  std::uint64_t count = 0;
  std::string last;
  std::vector<std::pair<std::string, Record>> page;
  while (true) {
    auto line = reader.Next();
    if (!line.ok()) return line.status();
    if (line->has_end()) {
      if (line->end().records() != count || !reader.AtEnd()) {
        return reader.Wrong("the export is not whole: its end speaks of " +
                            std::to_string(line->end().records()) + " records");
      }
      if (absl::Status committed = CommitAll(page, store); !committed.ok()) return committed;
      return count;
    }
    if (!line->has_record()) return reader.Wrong("a record or the end is missing here");
    const std::string wrong = WhatIsWrong(line->record(), last, fencing_token);
    if (!wrong.empty()) return reader.Wrong(wrong);
    last = MakeStoreKey(line->record().namespace_(), line->record().key());
    page.emplace_back(last, std::move(*line->mutable_record()->mutable_record()));
    ++count;
    if (page.size() < kPage) continue;
    if (absl::Status committed = CommitAll(page, store); !committed.ok()) return committed;
    page.clear();
  }
}

}  // namespace

absl::StatusOr<Exported> ExportRecords(RecordStore& store, WallTime now, std::ostream& out) {
  Exported exported;
  if (auto written = ExportHeader(store, now, out, exported); !written.ok()) return written;
  ScanRequest scan{.prefix = {}, .after = {}, .limit = kPage};
  v1::ExportLine line;
  while (true) {
    auto page = store.Scan(scan);
    if (!page.ok()) return page.status();
    for (Scanned& scanned : *page) {
      if (!scanned.loaded.record.has_value()) {
        return absl::DataLossError("the record of " + Shown(scanned.store_key) +
                                   " cannot be decoded, so the export would not be whole");
      }
      const StoreKeyParts parts = SplitStoreKey(scanned.store_key);
      auto& record = *line.mutable_record();
      record.set_namespace_(std::string(parts.name_space));
      record.set_key(std::string(parts.key));
      *record.mutable_record() = *std::move(scanned.loaded.record);
      if (auto written = WriteLine(line, out); !written.ok()) return written;
      ++exported.records;
    }
    if (page->size() < scan.limit) break;
    scan.after = page->back().store_key;
  }
  line.mutable_end()->set_records(exported.records);
  if (auto written = WriteLine(line, out); !written.ok()) return written;
  out.flush();
  if (!out.good()) return absl::UnavailableError("the export cannot be written");
  return exported;
}

absl::StatusOr<Imported> ImportRecords(std::istream& in, const ImportOrder& order,
                                       RecordStore& store) {
  Reader reader(in);
  auto header = ReadHeader(reader);
  if (!header.ok()) return header.status();
  if (auto empty = CheckEmpty(store); !empty.ok()) return empty;
  Imported imported;
  imported.token_before = header->fencing_token();
  imported.token_now = header->fencing_token();
  StoreState state = std::move(*header->mutable_state());
  if (!store.exclusive()) state.set_version(1);  // the first that is saved
  if (!order.moved) {
    const WallTime saved_at = WallTimeFromNanos(header->exported_at_nanos());
    if (order.now < saved_at) {
      return absl::FailedPreconditionError(
          "the export is later than this machine's clock says it is: set the clock right first");
    }
    imported.token_now = TokenAfterRestore(imported.token_before, saved_at, order.now);
    OpenRestoreDoubt(order.now, imported.token_now, state);
  }
  // First, so that not even a store that was left half filled gives a token twice.
  if (auto raised = store.RaiseTokens(imported.token_now); !raised.ok()) return raised;
  if (auto saved = store.SaveState(state); !saved.ok()) return saved;
  auto records = ImportAllRecords(reader, imported.token_before, store);
  if (!records.ok()) return records.status();
  imported.records = *records;
  return imported;
}

}  // namespace latchkey::storage
