#include "storage/record_codec.h"

#include <random>

#include "tests/storage/test_records.h"
#include <google/protobuf/stubs/logging.h>
#include <gtest/gtest.h>

namespace latchkey::storage {
namespace {

std::string Encoded(const Record& record) {
  std::string bytes;
  EncodeRecord(record, &bytes);
  return bytes;
}

// A record with every field set, to something random.
Record RandomRecord(std::mt19937_64& random) {
  const auto text = [&](std::size_t limit) {
    std::string value(random() % (limit + 1), ' ');
    for (char& byte : value) byte = static_cast<char>('!' + random() % 94);
    return value;
  };
  const auto bytes = [&](std::size_t limit) {
    std::string value(random() % (limit + 1), '\0');
    for (char& byte : value) byte = static_cast<char>(random());
    return value;
  };
  const auto number = [&] { return static_cast<std::int64_t>(random() >> (random() % 64)); };
  Record record;
  record.set_state(static_cast<State::State>(State::ABSENT + random() % 4));
  record.set_fencing_token(random() | 1);
  record.set_holder_id(text(128));
  record.set_attempt_id(text(128));
  record.set_mode(latchkey::v1::Grant::RECOVER);
  record.set_attempt_number(static_cast<std::uint32_t>(random()));
  record.set_on_lapse(latchkey::v1::AcquireLockRequest::FORGET_UNLESS_STARTED);
  record.set_granted_lease_nanos(number());
  record.set_promised_lease_nanos(number());
  record.set_token_seen(random() % 2);
  record.set_effect_started(random() % 2);
  record.set_doubted(random() % 2);
  record.set_fingerprint(bytes(64));
  record.set_checkpoint(bytes(4096));
  record.set_previous_holder_id(text(128));
  record.set_downstream_key_ttl_nanos(number());
  record.set_created_at_nanos(number());
  record.set_state_since_nanos(-number());
  record.set_doubt_since_nanos(number());
  record.set_late_outcome_count(static_cast<std::uint32_t>(random()));
  record.set_duplicate_effect_suspected(random() % 2);
  for (std::uint64_t i = random() % 5; i > 0; --i) {
    record.add_late_outcomes()->set_provider_reference(text(256));
    record.add_audit()->set_reason(text(512));
  }
  if (record.state() != State::COMPLETED) return record;
  auto& result = *record.mutable_result();
  result.set_outcome(latchkey::v1::Result::REJECTED);
  result.set_code(text(64));
  result.set_provider_reference(text(256));
  result.set_content_type(text(128));
  result.set_payload(bytes(random() % 16 == 0 ? 65536 : 500));
  result.set_payload_digest(bytes(32));
  result.set_recorded_at_nanos(number());
  result.set_late(random() % 2);
  return record;
}

TEST(RecordCodecTest, DecodingGivesBackWhatWasEncoded) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 2000; ++i) {
    const Record record = RandomRecord(random);
    const absl::StatusOr<Record> decoded = DecodeRecord(Encoded(record));
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    ASSERT_EQ(decoded->SerializeAsString(), record.SerializeAsString());
  }
}

TEST(RecordCodecTest, EncodingAppends) {
  std::string bytes = "before";
  EncodeRecord(MakeRecord(State::HELD, 1), &bytes);
  EXPECT_EQ(bytes, "before" + Encoded(MakeRecord(State::HELD, 1)));
}

TEST(RecordCodecTest, GrantCarriesTheTokenItWasGiven) {
  const Record held = MakeRecord(State::HELD, 5);
  EXPECT_EQ(DecodeRecord(EncodeWrite(Grant("k", held), 9))->fencing_token(), 9u);
  EXPECT_EQ(DecodeRecord(EncodeWrite(Put("k", held), 9))->fencing_token(), 5u);
  EXPECT_EQ(held.fencing_token(), 5u);
}

TEST(RecordCodecTest, EveryOtherVersionIsRefused) {
  std::string bytes = Encoded(MakeRecord(State::HELD, 1));
  for (int version = 0; version < 256; ++version) {
    bytes[0] = static_cast<char>(version);
    const auto decoded = DecodeRecord(bytes);
    if (version == kRecordFormatVersion) {
      EXPECT_TRUE(decoded.ok());
    } else {
      EXPECT_EQ(decoded.status().code(), absl::StatusCode::kFailedPrecondition) << version;
      EXPECT_NE(decoded.status().message().find(std::to_string(version)), absl::string_view::npos);
    }
  }
}

TEST(RecordCodecTest, WhatIsNoRecordIsRefused) {
  const auto code = [](const std::string& bytes) { return DecodeRecord(bytes).status().code(); };
  const auto refused = absl::StatusCode::kDataLoss;
  EXPECT_EQ(code(""), refused);
  EXPECT_EQ(code("\x01"), refused) << "no state";
  EXPECT_EQ(code("\x01garbage"), refused);
  EXPECT_EQ(code(Encoded(MakeRecord(State::HELD, 0))), refused) << "held without a token";
  EXPECT_EQ(code(Encoded(MakeRecord(State::IN_DOUBT, 0))), refused);
  EXPECT_EQ(code(Encoded(MakeRecord(State::COMPLETED, 0))), refused);
  Record record = MakeRecord(State::COMPLETED, 1);
  record.clear_result();
  EXPECT_EQ(code(Encoded(record)), refused) << "completed without a result";
  record = MakeRecord(State::HELD, 1);
  record.mutable_result();
  EXPECT_EQ(code(Encoded(record)), refused) << "held with a result";
  record = MakeRecord(State::HELD, 1);
  record.set_state(static_cast<State::State>(77));
  EXPECT_EQ(code(Encoded(record)), refused) << "a state that nobody knows";
  EXPECT_TRUE(DecodeRecord(Encoded(MakeRecord(State::ABSENT))).ok());
}

// Whatever the bytes: an answer, no crash.
TEST(RecordCodecTest, DamagedBytesAreARecordOrRefused) {
  google::protobuf::SetLogHandler(nullptr);  // it has a line for each string that is not UTF-8
  std::mt19937_64 random(11);
  int refused = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string bytes;
    if (i % 2 == 0) {
      bytes.resize(random() % 200);
      for (char& byte : bytes) byte = static_cast<char>(random());
      if (!bytes.empty()) bytes[0] = kRecordFormatVersion;
    } else {
      Record record = RandomRecord(random);
      record.clear_checkpoint();
      if (record.has_result()) record.mutable_result()->clear_payload();
      bytes = Encoded(record);
      for (std::uint64_t flips = 1 + random() % 3; flips > 0; --flips) {
        bytes[random() % bytes.size()] ^= static_cast<char>(1 << random() % 8);
      }
      if (random() % 4 == 0) bytes.resize(random() % bytes.size());
    }
    const auto decoded = DecodeRecord(bytes);
    if (!decoded.ok()) ++refused;
    const Loaded loaded = DecodeLoaded(bytes, 3);
    ASSERT_EQ(loaded.corrupt, !decoded.ok());
    ASSERT_EQ(loaded.record.has_value(), decoded.ok());
    ASSERT_EQ(loaded.revision, 3u);
  }
  EXPECT_GT(refused, 10000);
}

}  // namespace
}  // namespace latchkey::storage
