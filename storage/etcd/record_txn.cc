#include "storage/etcd/record_txn.h"

#include <charconv>
#include <utility>

#include "storage/record_codec.h"

namespace latchkey::storage {
namespace {

using etcdserverpb::Compare;
using etcdserverpb::ResponseOp;
using etcdserverpb::TxnRequest;
using etcdserverpb::TxnResponse;

// The first byte of a value: the record's token is in it, or all of it but the revision of this
// very write, which nobody knows before it is done.
constexpr char kWholeToken = 0;
constexpr char kTokenOfThisRevision = 1;

// Of one nested transaction, beside its keys and its value.
constexpr std::size_t kOverheadBytes = 64;

// Where the answers of the failure branch are.
constexpr int kFoundLive = 0;
constexpr int kFoundDone = 1;
constexpr int kFoundFloor = 2;

void CompareRevision(std::string key, std::int64_t mod_revision, TxnRequest& nested) {
  auto& compare = *nested.add_compare();
  compare.set_key(std::move(key));
  compare.set_target(Compare::MOD);
  compare.set_mod_revision(mod_revision);
}

const TxnResponse& NestedAt(const TxnResponse& response, std::size_t place) {
  return response.responses(static_cast<int>(place)).response_txn();
}

}  // namespace

std::string EncodeFloor(TokenFloor floor) { return std::to_string(floor.value); }

std::optional<TokenFloor> DecodeFloor(std::string_view bytes) {
  TokenFloor floor;
  const char* const end = bytes.data() + bytes.size();
  const auto [stop, error] = std::from_chars(bytes.data(), end, floor.value);
  if (error != std::errc() || stop != end) return std::nullopt;
  return floor;
}

std::uint64_t TokenAt(TokenFloor floor, std::int64_t revision, std::uint64_t place) {
  return floor.value + (static_cast<std::uint64_t>(revision) << kPlaceBits) + place;
}

std::int64_t RevisionAt(TokenFloor floor, std::uint64_t token) {
  return static_cast<std::int64_t>((token - floor.value) >> kPlaceBits);
}

Revision RevisionOf(std::int64_t mod_revision, bool live) {
  return (static_cast<Revision>(mod_revision) << 1) | (live ? 1 : 0);
}

std::int64_t ModRevisionOf(Revision revision) { return static_cast<std::int64_t>(revision >> 1); }

bool IsLiveRevision(Revision revision) { return (revision & 1) != 0; }

Loaded DecodeValue(const etcdserverpb::KeyValue& stored, bool live) {
  const std::string_view value = stored.value();
  const Revision revision = RevisionOf(stored.mod_revision(), live);
  const bool known =
      !value.empty() && (value[0] == kWholeToken || value[0] == kTokenOfThisRevision);
  if (!known) return {.record = {}, .revision = revision, .corrupt = true};
  Loaded loaded = DecodeLoaded(value.substr(1), revision);
  if (loaded.record.has_value() && value[0] == kTokenOfThisRevision) {
    loaded.record->set_fencing_token(
        TokenAt({loaded.record->fencing_token()}, stored.mod_revision(), 0));
  }
  return loaded;
}

bool RecordTxn::Add(const Write& write) {
  TxnRequest nested;
  AddCondition(write, nested);
  if (!write.check_only) {
    AddSteps(write, write.record == nullptr ? "" : ValueOf(write), nested);
  }
  AddReads(layout_, write.store_key, nested.mutable_failure());
  if (write.assign_token) {
    nested.add_failure()->mutable_request_range()->set_key(layout_.Floor());
  }
  const std::size_t bytes = nested.ByteSizeLong() + kOverheadBytes;
  if (!empty() && (size() >= kTxnWritesMax || bytes_ + bytes > kTxnBytesMax)) return false;
  bytes_ += bytes;
  request_.add_success()->mutable_request_txn()->Swap(&nested);
  return true;
}

// A record that is known to be in one place is in no other. A grant's token must be above all that
// were given, so it also needs the floor to be the one that it is counted from.
void RecordTxn::AddCondition(const Write& write, TxnRequest& nested) const {
  const std::int64_t expected = ModRevisionOf(write.expected);
  if (write.expected == 0 || IsLiveRevision(write.expected)) {
    CompareRevision(layout_.Live(write.store_key), expected, nested);
  }
  if (write.expected == 0 || !IsLiveRevision(write.expected)) {
    CompareRevision(layout_.Done(write.store_key), expected, nested);
  }
  if (!write.assign_token) return;
  auto& compare = *nested.add_compare();
  compare.set_key(layout_.Floor());
  compare.set_target(Compare::VALUE);
  compare.set_value(EncodeFloor(floor_));
}

void RecordTxn::AddSteps(const Write& write, std::string value, TxnRequest& nested) const {
  const bool was_there = write.expected != 0;
  const bool was_live = IsLiveRevision(write.expected);
  const bool is_there = write.record != nullptr;
  const bool is_live = is_there && IsLive(*write.record);
  if (was_there && (!is_there || was_live != is_live)) {
    nested.add_success()->mutable_request_delete_range()->set_key(
        was_live ? layout_.Live(write.store_key) : layout_.Done(write.store_key));
  }
  if (!is_there) return;
  auto& put = *nested.add_success()->mutable_request_put();
  put.set_key(is_live ? layout_.Live(write.store_key) : layout_.Done(write.store_key));
  put.set_value(std::move(value));
}

// The place counts from 1, so that a record that holds a grant never has the token 0.
std::string RecordTxn::ValueOf(const Write& write) const {
  std::string value(1, write.assign_token ? kTokenOfThisRevision : kWholeToken);
  value.append(EncodeWrite(write, floor_.value + size() + 1));
  return value;
}

WriteResult RecordTxn::Read(const Write& write, const TxnResponse& response,
                            std::size_t place) const {
  WriteResult result;
  const TxnResponse& nested = NestedAt(response, place);
  if (!nested.succeeded()) {
    result.outcome = WriteResult::Outcome::kConflict;
    result.current = LoadedFrom(nested.responses(kFoundLive), nested.responses(kFoundDone));
    return result;
  }
  result.outcome = WriteResult::Outcome::kCommitted;
  const std::int64_t revision = response.header().revision();
  if (write.check_only) {
    result.revision = write.expected;
  } else if (write.record != nullptr) {
    result.revision = RevisionOf(revision, IsLive(*write.record));
    if (write.assign_token) result.token = TokenAt(floor_, revision, place + 1);
  }
  return result;
}

std::optional<TokenFloor> RecordTxn::OtherFloor(const TxnResponse& response, std::size_t place) {
  const TxnResponse& nested = NestedAt(response, place);
  if (nested.succeeded() || nested.responses_size() <= kFoundFloor) return std::nullopt;
  const auto& found = nested.responses(kFoundFloor).response_range();
  return found.kvs().empty() ? std::nullopt : DecodeFloor(found.kvs(0).value());
}

void AddReads(const KeyLayout& layout, std::string_view store_key, Steps* steps) {
  steps->Add()->mutable_request_range()->set_key(layout.Live(store_key));
  steps->Add()->mutable_request_range()->set_key(layout.Done(store_key));
}

Loaded LoadedFrom(const ResponseOp& live, const ResponseOp& done) {
  if (!live.response_range().kvs().empty()) {
    return DecodeValue(live.response_range().kvs(0), true);
  }
  if (!done.response_range().kvs().empty()) {
    return DecodeValue(done.response_range().kvs(0), false);
  }
  return {};
}

}  // namespace latchkey::storage
