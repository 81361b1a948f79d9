// Every limit at the limit and one past it, every field that is required, every character and every
// range.

#include "server/machine/request_checks.h"

#include "latchkey/v1/admin.pb.h"
#include "latchkey/v1/coordination.pb.h"
#include "server/machine/proto_time.h"
#include <gtest/gtest.h>

namespace latchkey {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using R = v1::Refusal;

constexpr Reason kOk = R::REASON_UNSPECIFIED;

class RequestChecks : public ::testing::Test {
 protected:
  RequestChecks() : context_{&limits_, &settings_, WallTime(hours(24 * 365 * 56))} {}

  template <class Request>
  Reason Check(const Request& request) {
    const auto refusal = CheckRequest(request, context_);
    if (!refusal) return kOk;
    EXPECT_FALSE(refusal->message.empty());
    EXPECT_FALSE(refusal->metadata.empty());
    return refusal->reason;
  }

  // A request that is right, and what it is refused with once `change` has been at it.
  template <class Change>
  Reason Acquire(Change change) {
    v1::AcquireLockRequest request;
    request.set_key("order:123");
    request.set_attempt_id("attempt");
    SetProto(seconds(30), request.mutable_lease_duration());
    EXPECT_EQ(Check(request), kOk);
    change(request);
    return Check(request);
  }
  template <class Change>
  Reason Renew(Change change) {
    return Changed(WithToken<v1::RenewLeaseRequest>(), change);
  }
  template <class Change>
  Reason Read(Change change) {
    v1::CheckResultRequest request;
    request.set_key("order:123");
    return Changed(request, change);
  }
  template <class Change>
  Reason Record(Change change) {
    auto request = WithToken<v1::RecordResultRequest>();
    request.set_outcome(v1::Result::SUCCEEDED);
    return Changed(request, change);
  }
  template <class Change>
  Reason Release(Change change) {
    return Changed(WithToken<v1::ReleaseRequest>(), change);
  }
  template <class Change>
  Reason List(Change change) {
    return Changed(v1::ListRecordsRequest(), change);
  }
  template <class Request, class Change>
  Reason Admin(Change change) {
    Request request;
    request.set_key("order:123");
    request.set_expected_fencing_token(1);
    request.set_actor("ops");
    request.set_reason("looked into it");
    if constexpr (std::is_same_v<Request, v1::ResolveOutcomeRequest>) {
      request.set_outcome(v1::ResolveOutcomeRequest::SUCCEEDED);
    }
    return Changed(request, change);
  }

  // `set` gives the request a text.
  template <class Set>
  void ExpectLimit(std::size_t bytes_max, Reason too_long, Set set) {
    EXPECT_EQ(set(std::string(bytes_max, 'a')), kOk);
    EXPECT_EQ(set(std::string(bytes_max + 1, 'a')), too_long);
  }
  // [A-Za-z0-9._:/@-]
  template <class Set>
  void ExpectIdCharacters(Reason malformed, Set set) {
    for (int c = 1; c < 256; ++c) {
      const bool allowed = (c < 128 && std::isalnum(c) != 0) ||
                           std::string("._:/@-").find(static_cast<char>(c)) != std::string::npos;
      EXPECT_EQ(set(std::string("a") + static_cast<char>(c)), allowed ? kOk : malformed) << c;
    }
  }

  Limits limits_;
  NamespaceSettings settings_;
  CheckContext context_;

 private:
  template <class Request>
  static Request WithToken() {
    Request request;
    request.set_key("order:123");
    request.set_fencing_token(1);
    return request;
  }
  template <class Request, class Change>
  Reason Changed(Request request, Change change) {
    EXPECT_EQ(Check(request), kOk);
    change(request);
    return Check(request);
  }
};

TEST_F(RequestChecks, TheLimitsAreThoseOfTheContract) {
  EXPECT_EQ(limits_.key_bytes, 255u);
  EXPECT_EQ(limits_.namespace_bytes, 64u);
  EXPECT_EQ(limits_.id_bytes, 128u);
  EXPECT_EQ(limits_.fingerprint_bytes, 64u);
  EXPECT_EQ(limits_.payload_bytes, 64u * 1024);
  EXPECT_EQ(kPayloadBytesMax, 1024u * 1024);
  EXPECT_EQ(limits_.provider_reference_bytes, 256u);
  EXPECT_EQ(limits_.code_bytes, 64u);
  EXPECT_EQ(limits_.content_type_bytes, 128u);
  EXPECT_EQ(limits_.checkpoint_bytes, 4u * 1024);
  EXPECT_EQ(limits_.lease_duration_min, milliseconds(100));
  EXPECT_EQ(limits_.lease_duration_max, minutes(15));
  EXPECT_EQ(limits_.wait_timeout_max, seconds(60));
  EXPECT_EQ(limits_.waiters_per_key, 1'024u);
  EXPECT_EQ(kWaitersPerKeyMax, 100'000u);
  EXPECT_EQ(limits_.waiters_total, 200'000u);
  EXPECT_EQ(limits_.reply_bytes_in_flight, 64u * 1024 * 1024);
  EXPECT_EQ(limits_.late_outcomes, 4u);
  EXPECT_EQ(limits_.frame_bytes, 1024u * 1024);
  EXPECT_EQ(limits_.frame_calls, 4'096u);
  EXPECT_EQ(limits_.session_calls, 65'536u);
  EXPECT_EQ(settings_.payload_retention, hours(72));
  EXPECT_EQ(settings_.key_retention, hours(24 * 90));
  EXPECT_EQ(settings_.downstream_key_ttl, Duration::zero());
}

TEST_F(RequestChecks, KeyInEveryCall) {
  const auto none = [](auto& request) { request.clear_key(); };
  const auto space = [](auto& request) { request.set_key("order 123"); };
  const auto longest = [](auto& request) { request.set_key(std::string(255, 'k')); };
  const auto too_long = [](auto& request) { request.set_key(std::string(256, 'k')); };
  const auto check = [&](auto call) {
    EXPECT_EQ(call(none), R::KEY_REQUIRED);
    EXPECT_EQ(call(space), R::KEY_MALFORMED);
    EXPECT_EQ(call(longest), kOk);
    EXPECT_EQ(call(too_long), R::KEY_TOO_LONG);
  };
  check([&](auto change) { return Acquire(change); });
  check([&](auto change) { return Renew(change); });
  check([&](auto change) { return Read(change); });
  check([&](auto change) { return Record(change); });
  check([&](auto change) { return Release(change); });
  check([&](auto change) { return Admin<v1::ResolveOutcomeRequest>(change); });
  check([&](auto change) { return Admin<v1::ForceReleaseRequest>(change); });
  check([&](auto change) { return Admin<v1::DeleteRecordRequest>(change); });
  check([&](auto change) {
    v1::GetRecordRequest request;
    request.set_key("order:123");
    change(request);
    return Check(request);
  });
}

TEST_F(RequestChecks, KeyCharacters) {
  for (int c = 0; c < 256; ++c) {
    const auto reason =
        Read([&](auto& request) { request.set_key(std::string("k") + static_cast<char>(c)); });
    EXPECT_EQ(reason, c >= 0x21 && c <= 0x7E ? kOk : R::KEY_MALFORMED) << c;
  }
}

TEST_F(RequestChecks, NamespaceInEveryCall) {
  const auto check = [&](auto call) {
    const auto set = [&](const std::string& text) {
      return call([&](auto& request) { request.set_namespace_(text); });
    };
    EXPECT_EQ(set(""), kOk) << "empty is default";
    ExpectLimit(64, R::NAMESPACE_TOO_LONG, set);
    ExpectIdCharacters(R::NAMESPACE_MALFORMED, set);
  };
  check([&](auto change) { return Acquire(change); });
  check([&](auto change) { return Renew(change); });
  check([&](auto change) { return Read(change); });
  check([&](auto change) { return Record(change); });
  check([&](auto change) { return Release(change); });
  check([&](auto change) { return List(change); });
  check([&](auto change) { return Admin<v1::DeleteRecordRequest>(change); });
  check([&](auto change) {
    v1::IssueKeyRequest request;
    change(request);
    return Check(request);
  });
}

TEST_F(RequestChecks, AttemptId) {
  const auto set = [&](const std::string& text) {
    return Acquire([&](auto& request) { request.set_attempt_id(text); });
  };
  EXPECT_EQ(set(""), R::ATTEMPT_ID_REQUIRED);
  ExpectLimit(128, R::ATTEMPT_ID_TOO_LONG, set);
  ExpectIdCharacters(R::ATTEMPT_ID_MALFORMED, set);
}

TEST_F(RequestChecks, HolderId) {
  const auto acquire = [&](const std::string& text) {
    return Acquire([&](auto& request) { request.set_holder_id(text); });
  };
  const auto list = [&](const std::string& text) {
    return List([&](auto& request) { request.set_holder_id(text); });
  };
  EXPECT_EQ(acquire(""), kOk);
  ExpectLimit(128, R::HOLDER_ID_TOO_LONG, acquire);
  ExpectIdCharacters(R::HOLDER_ID_MALFORMED, acquire);
  ExpectLimit(128, R::HOLDER_ID_TOO_LONG, list);
  ExpectIdCharacters(R::HOLDER_ID_MALFORMED, list);
}

TEST_F(RequestChecks, Fingerprint) {
  ExpectLimit(64, R::FINGERPRINT_TOO_LONG, [&](const std::string& text) {
    return Acquire([&](auto& request) { request.set_fingerprint(text); });
  });
  ExpectLimit(64, R::FINGERPRINT_TOO_LONG, [&](const std::string& text) {
    return Read([&](auto& request) { request.set_fingerprint(text); });
  });
}

TEST_F(RequestChecks, LeaseDuration) {
  const auto acquire = [&](Duration lease) {
    return Acquire([&](auto& request) { SetProto(lease, request.mutable_lease_duration()); });
  };
  const auto renew = [&](Duration lease) {
    return Renew([&](auto& request) { SetProto(lease, request.mutable_lease_duration()); });
  };
  for (Duration good : {Duration(milliseconds(100)), Duration(minutes(15))}) {
    EXPECT_EQ(acquire(good), kOk);
    EXPECT_EQ(renew(good), kOk);
  }
  for (Duration bad : {Duration(milliseconds(100)) - Duration(1),
                       Duration(minutes(15)) + Duration(1), Duration(0), -Duration(seconds(1))}) {
    EXPECT_EQ(acquire(bad), R::LEASE_DURATION_OUT_OF_RANGE);
    EXPECT_EQ(renew(bad), R::LEASE_DURATION_OUT_OF_RANGE);
  }
  EXPECT_EQ(Acquire([](auto& request) { request.clear_lease_duration(); }),
            R::LEASE_DURATION_OUT_OF_RANGE);
  EXPECT_EQ(Renew([](auto& request) { request.clear_lease_duration(); }), kOk) << "as granted";
  settings_.lease_duration_max = minutes(1);
  EXPECT_EQ(acquire(minutes(1)), kOk);
  EXPECT_EQ(acquire(minutes(1) + Duration(1)), R::LEASE_DURATION_OUT_OF_RANGE);
}

TEST_F(RequestChecks, NoValidDuration) {
  const auto set = [&](std::int64_t whole, std::int32_t nanos) {
    return Acquire([&](auto& request) {
      request.mutable_lease_duration()->set_seconds(whole);
      request.mutable_lease_duration()->set_nanos(nanos);
    });
  };
  EXPECT_EQ(set(1, 999'999'999), kOk);
  EXPECT_EQ(set(1, 1'000'000'000), R::LEASE_DURATION_OUT_OF_RANGE);
  EXPECT_EQ(set(1, -1), R::LEASE_DURATION_OUT_OF_RANGE);
  EXPECT_EQ(set(INT64_MAX, 0), R::LEASE_DURATION_OUT_OF_RANGE);
  EXPECT_EQ(set(INT64_MIN, INT32_MIN), R::LEASE_DURATION_OUT_OF_RANGE);
}

TEST_F(RequestChecks, WaitTimeout) {
  const auto check = [&](auto call) {
    const auto set = [&](Duration wait) {
      return call([&](auto& request) { SetProto(wait, request.mutable_wait_timeout()); });
    };
    EXPECT_EQ(set(Duration(0)), kOk);
    EXPECT_EQ(set(seconds(60)), kOk);
    EXPECT_EQ(set(seconds(60) + Duration(1)), R::WAIT_TIMEOUT_OUT_OF_RANGE);
    EXPECT_EQ(set(-Duration(1)), R::WAIT_TIMEOUT_OUT_OF_RANGE);
  };
  check([&](auto change) { return Acquire(change); });
  check([&](auto change) { return Read(change); });
}

TEST_F(RequestChecks, FirstSentAt) {
  const auto check = [&](auto call) {
    const auto set = [&](WallTime time) {
      return call([&](auto& request) { SetProto(time, request.mutable_first_sent_at()); });
    };
    EXPECT_EQ(set(WallTime(Duration(1))), kOk) << "too old is for the record to say";
    EXPECT_EQ(set(context_.latest + hours(1)), kOk);
    EXPECT_EQ(set(context_.latest + hours(1) + Duration(1)), R::FIRST_SENT_AT_OUT_OF_RANGE);
    EXPECT_EQ(call([](auto& request) { request.mutable_first_sent_at()->set_nanos(-1); }),
              R::FIRST_SENT_AT_OUT_OF_RANGE);
  };
  check([&](auto change) { return Acquire(change); });
  check([&](auto change) { return Read(change); });
}

TEST_F(RequestChecks, DownstreamKeyTtl) {
  const auto set = [&](Duration ttl) {
    return Acquire([&](auto& request) { SetProto(ttl, request.mutable_downstream_key_ttl()); });
  };
  EXPECT_EQ(set(Duration(0)), kOk);
  EXPECT_EQ(set(hours(24 * 365)), kOk);
  EXPECT_EQ(set(-Duration(1)), R::DOWNSTREAM_KEY_TTL_OUT_OF_RANGE);
}

TEST_F(RequestChecks, FencingToken) {
  const auto none = [](auto& request) { request.clear_fencing_token(); };
  EXPECT_EQ(Renew(none), R::FENCING_TOKEN_REQUIRED);
  EXPECT_EQ(Record(none), R::FENCING_TOKEN_REQUIRED);
  EXPECT_EQ(Release(none), R::FENCING_TOKEN_REQUIRED);
  EXPECT_EQ(Record([](auto& request) { request.set_fencing_token(UINT64_MAX); }), kOk);
}

TEST_F(RequestChecks, ReleaseByAttemptNeedsNoToken) {
  const auto set = [&](const std::string& text) {
    return Release([&](auto& request) {
      request.clear_fencing_token();
      request.set_attempt_id(text);
    });
  };
  EXPECT_EQ(set("attempt"), kOk);
  ExpectLimit(128, R::ATTEMPT_ID_TOO_LONG, set);
  ExpectIdCharacters(R::ATTEMPT_ID_MALFORMED, set);
}

TEST_F(RequestChecks, Checkpoint) {
  ExpectLimit(4096, R::CHECKPOINT_TOO_LONG, [&](const std::string& text) {
    return Renew([&](auto& request) { request.set_checkpoint(text); });
  });
}

TEST_F(RequestChecks, AnOutcomeIsNeverRefusedForItsSize) {
  EXPECT_EQ(Record([](auto& request) {
              request.set_code(std::string(10'000, 'c'));
              request.set_provider_reference(std::string(10'000, 'r'));
              request.set_content_type(std::string(10'000, 't'));
              request.set_payload(std::string(2'000'000, 'p'));
              SetProto(-hours(1), request.mutable_retention());
            }),
            kOk);
}

TEST_F(RequestChecks, Outcome) {
  EXPECT_EQ(Record([](auto& request) { request.clear_outcome(); }), R::OUTCOME_REQUIRED);
  EXPECT_EQ(
      Record([](auto& request) { request.set_outcome(static_cast<v1::Result::Outcome>(99)); }),
      R::OUTCOME_MALFORMED);
  using Resolve = v1::ResolveOutcomeRequest;
  EXPECT_EQ(Admin<Resolve>([](auto& request) { request.clear_outcome(); }), R::OUTCOME_REQUIRED);
  EXPECT_EQ(
      Admin<Resolve>([](auto& request) { request.set_outcome(static_cast<Resolve::Outcome>(99)); }),
      R::OUTCOME_MALFORMED);
}

TEST_F(RequestChecks, EnumsThisServerDoesNotKnow) {
  EXPECT_EQ(Acquire([](auto& request) {
              request.set_on_lapse(static_cast<v1::AcquireLockRequest::OnLapse>(99));
            }),
            R::ON_LAPSE_MALFORMED);
  EXPECT_EQ(Release([](auto& request) {
              request.set_effect(static_cast<v1::ReleaseRequest::Effect>(99));
            }),
            R::EFFECT_MALFORMED);
  EXPECT_EQ(List([](auto& request) {
              request.set_state(static_cast<v1::CheckResultResponse::State>(99));
            }),
            R::STATE_MALFORMED);
}

TEST_F(RequestChecks, AdminCallsSayWhoWhyAndWhichToken) {
  const auto check = [&](auto call) {
    EXPECT_EQ(call([](auto& request) { request.clear_expected_fencing_token(); }),
              R::EXPECTED_FENCING_TOKEN_REQUIRED);
    const auto actor = [&](const std::string& text) {
      return call([&](auto& request) { request.set_actor(text); });
    };
    EXPECT_EQ(actor(""), R::ACTOR_REQUIRED);
    ExpectLimit(128, R::ACTOR_TOO_LONG, actor);
    ExpectIdCharacters(R::ACTOR_MALFORMED, actor);
    const auto reason = [&](const std::string& text) {
      return call([&](auto& request) { request.set_reason(text); });
    };
    EXPECT_EQ(reason(""), R::REASON_REQUIRED);
    ExpectLimit(512, R::REASON_TOO_LONG, reason);
  };
  check([&](auto change) { return Admin<v1::ResolveOutcomeRequest>(change); });
  check([&](auto change) { return Admin<v1::ForceReleaseRequest>(change); });
  check([&](auto change) { return Admin<v1::DeleteRecordRequest>(change); });
}

TEST_F(RequestChecks, ListRecords) {
  const auto prefix = [&](const std::string& text) {
    return List([&](auto& request) { request.set_key_prefix(text); });
  };
  ExpectLimit(255, R::KEY_PREFIX_TOO_LONG, prefix);
  EXPECT_EQ(prefix("order 1"), R::KEY_PREFIX_MALFORMED);
  EXPECT_EQ(List([](auto& request) { SetProto(-Duration(1), request.mutable_older_than()); }),
            R::OLDER_THAN_OUT_OF_RANGE);
  EXPECT_EQ(List([](auto& request) { SetProto(Duration(0), request.mutable_older_than()); }), kOk);
}

TEST_F(RequestChecks, TheFirstFieldThatIsWrongIsNamed) {
  EXPECT_EQ(Check(v1::AcquireLockRequest()), R::KEY_REQUIRED);
  EXPECT_EQ(Acquire([](auto& request) {
              request.clear_attempt_id();
              request.clear_lease_duration();
            }),
            R::ATTEMPT_ID_REQUIRED);
}

}  // namespace
}  // namespace latchkey
