// Records as etcd keeps them, and conditional writes as etcd's transactions: many independent ones
// travel in one outer transaction, each as a nested one with its own conditions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "etcd/kv.pb.h"
#include "storage/etcd/key_layout.h"
#include "storage/record_store.h"

namespace latchkey::storage {

// etcd takes at most 128 operations in a transaction, and counts those of a nested one against what
// the outer one leaves; and at most 1.5 MiB a request.
inline constexpr std::size_t kTxnWritesMax = 120;
inline constexpr std::size_t kTxnBytesMax = std::size_t{1} << 20;

// What tokens are counted from: a number under a key of its own, compared with every grant.
struct TokenFloor {
  std::uint64_t value = 0;
};
std::string EncodeFloor(TokenFloor floor);
// Nothing for bytes that are none.
std::optional<TokenFloor> DecodeFloor(std::string_view bytes);

// Of a transaction, by their bits; more than it has.
inline constexpr int kPlaceBits = 8;
inline constexpr std::uint64_t kPlacesMax = (1 << kPlaceBits) - 1;

// The token of the grant that stood at `place` in the transaction of this revision.
std::uint64_t TokenAt(TokenFloor floor, std::int64_t revision, std::uint64_t place);
// The revision of such a token.
std::int64_t RevisionAt(TokenFloor floor, std::uint64_t token);

// A revision of the seam names etcd's revision of the key, and which of the two places it is in.
Revision RevisionOf(std::int64_t mod_revision, bool live);
std::int64_t ModRevisionOf(Revision revision);
bool IsLiveRevision(Revision revision);

// What is stored under a key of a record.
Loaded DecodeValue(const etcdserverpb::KeyValue& stored, bool live);

// An outer transaction that is being filled.
class RecordTxn {
 public:
  // Both outlive it.
  RecordTxn(const KeyLayout& layout, TokenFloor floor) : layout_(layout), floor_(floor) {}

  // False: the write belongs into another transaction, as this one is full. The first always fits.
  bool Add(const Write& write);
  bool empty() const { return request_.success().empty(); }
  std::size_t size() const { return static_cast<std::size_t>(request_.success_size()); }
  const etcdserverpb::TxnRequest& request() const { return request_; }

  // What became of the write at `place`, from 0, of those that were added.
  WriteResult Read(const Write& write, const etcdserverpb::TxnResponse& response,
                   std::size_t place) const;
  // Whether a write there failed because tokens are counted from elsewhere by now: it may be tried
  // again with that.
  static std::optional<TokenFloor> OtherFloor(const etcdserverpb::TxnResponse& response,
                                              std::size_t place);

 private:
  void AddCondition(const Write& write, etcdserverpb::TxnRequest& nested) const;
  void AddSteps(const Write& write, std::string value, etcdserverpb::TxnRequest& nested) const;
  std::string ValueOf(const Write& write) const;

  const KeyLayout& layout_;
  const TokenFloor floor_;
  etcdserverpb::TxnRequest request_;
  std::size_t bytes_ = 0;
};

// Adds the two steps that read one record, and reads what they found.
using Steps = google::protobuf::RepeatedPtrField<etcdserverpb::RequestOp>;
void AddReads(const KeyLayout& layout, std::string_view store_key, Steps* steps);
Loaded LoadedFrom(const etcdserverpb::ResponseOp& live, const etcdserverpb::ResponseOp& done);

}  // namespace latchkey::storage
