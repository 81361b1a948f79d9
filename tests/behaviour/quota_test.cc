// Quotas of namespaces, and settings that change while the server serves.

#include "server/machine/proto_time.h"
#include "tests/behaviour/behaviour_fixture.h"

namespace latchkey {
namespace {

class QuotaTest : public BehaviourTest {
 protected:
  // "shop" with these settings, and all others with the default ones.
  void StartShop(const std::function<void(NamespaceSettings&)>& change) {
    StartServer([&](ServerOptions& options) { options.namespaces = ShopWith(change); });
  }
  static Namespaces ShopWith(const std::function<void(NamespaceSettings&)>& change) {
    NamespaceSettings shop;
    change(shop);
    return {{}, {{"shop", shop}}};
  }
  static void InShop(v1::AcquireLockRequest& request) { request.set_namespace_("shop"); }
  Reply<v1::AcquireLockResponse> AcquireInShop(const std::string& key,
                                               const std::string& attempt_id = "a1") {
    return Acquire(key, attempt_id, InShop);
  }
  Reply<v1::RecordResultResponse> RecordInShop(const std::string& key, std::uint64_t token,
                                               const std::string& payload = "") {
    return Record(key, token, [&](auto& request) {
      request.set_namespace_("shop");
      request.set_payload(payload);
    });
  }
  v1::GetServerStatusResponse::Namespace Shop() {
    v1::GetServerStatusResponse status;
    server().FillStatus(&status);
    for (const auto& shown : status.namespaces()) {
      if (shown.name() == "shop") return shown;
    }
    ADD_FAILURE() << "the status does not show the namespace";
    return {};
  }
  template <class Response>
  static void ExpectQuota(const Reply<Response>& reply, const std::string& quota,
                          const std::string& most) {
    EXPECT_EQ(reply.reason(), "QUOTA_EXCEEDED");
    EXPECT_EQ(reply.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_EQ(reply.info().metadata().at("quota"), quota);
    EXPECT_EQ(reply.info().metadata().at(quota), most);
  }
};

TEST_P(QuotaTest, ARefusalNamesTheQuota) {
  StartShop([](auto& shop) { shop.live_records_max = 1; });
  ASSERT_TRUE(AcquireInShop("k1").ok());
  Await([&] { return Shop().held() == 1; }, "its count");
  ExpectQuota(AcquireInShop("k2"), "live_records_max", "1");
  EXPECT_TRUE(Acquire("k2", "a1").ok());  // in "default"
}

// A second's worth at once, and then as fast as the bucket fills; the clock here is the test's, but
// runs on by itself, so what is sure is the lower bound of what is granted.
TEST_P(QuotaTest, NewKeysASecond) {
  StartShop([](auto& shop) { shop.new_keys_per_second_max = 2; });
  const auto token = AcquireInShop("k1")->grant().fencing_token();
  ASSERT_TRUE(AcquireInShop("k2").ok());
  int granted = 0;
  std::optional<Reply<v1::AcquireLockResponse>> refused;
  for (int i = 0; i < 1000 && !refused.has_value(); ++i) {
    auto reply = AcquireInShop("more:" + std::to_string(i));
    if (reply.ok()) {
      ++granted;
    } else {
      refused = std::move(reply);
    }
  }
  ASSERT_TRUE(refused.has_value()) << "granted " << granted;
  ExpectQuota(*refused, "new_keys_per_second_max", "2");
  // What has begun goes on, and what makes no new record counts for nothing.
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(AcquireInShop("k1")->grant().replayed());
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(AcquireInShop("k2", "other")->has_contention());
  EXPECT_TRUE(RecordInShop("k1", token).ok());
  EXPECT_TRUE(AcquireInShop("k1", "a2")->has_completed());
  EXPECT_TRUE(Acquire("elsewhere", "a1").ok());
  clock().Advance(2s);
  EXPECT_TRUE(AcquireInShop("late1").ok());
  EXPECT_TRUE(AcquireInShop("late2").ok());
}

TEST_P(QuotaTest, WaitingCalls) {
  StartShop([](auto& shop) { shop.waiters_max = 1; });
  const auto token = AcquireInShop("k1")->grant().fencing_token();
  ASSERT_TRUE(AcquireInShop("k2").ok());
  const auto wait = [](v1::AcquireLockRequest& request) {
    InShop(request);
    request.mutable_wait_timeout()->set_seconds(60);
  };
  auto first = AcquireAsync("k1", "a2", wait);
  Await([&] { return Shop().waiters() == 1; }, "a waiting call");
  ExpectQuota(Acquire("k2", "a2", wait), "waiters_max", "1");
  EXPECT_TRUE(AcquireInShop("k2", "a2")->has_contention());  // without waiting
  ASSERT_TRUE(RecordInShop("k1", token).ok());
  EXPECT_TRUE(first.get()->has_completed());
  EXPECT_EQ(Shop().waiters(), 0u);
}

TEST_P(QuotaTest, BytesOnTheDisk) {
  if (over_etcd()) GTEST_SKIP() << "etcd does not say what a namespace takes";
  StartShop([](auto& shop) { shop.stored_bytes_max = 30'000; });
  const auto a = AcquireInShop("a")->grant().fencing_token();
  const auto b = AcquireInShop("b")->grant().fencing_token();
  std::string payload(60'000, 'x');
  for (std::size_t i = 0; i < payload.size(); ++i) payload[i] = static_cast<char>(i * i % 251);
  ASSERT_TRUE(RecordInShop("a", a, payload).ok());
  Await([&] { return Shop().stored_bytes() > 30'000; }, "a look at the disk");
  ExpectQuota(AcquireInShop("c"), "stored_bytes_max", "30000");
  const auto save = [&](const std::string& checkpoint) {
    return Renew("b", b, [&](auto& request) {
      request.set_namespace_("shop");
      request.set_checkpoint(checkpoint);
    });
  };
  ExpectQuota(save("grows"), "stored_bytes_max", "30000");
  EXPECT_TRUE(save("").ok());
  EXPECT_TRUE(RecordInShop("b", b, payload).ok());
  EXPECT_TRUE(AcquireInShop("b", "a2")->has_completed());
}

TEST_P(QuotaTest, SettingsChangeWhileLeasesAndWaitsGoOn) {
  StartShop([](auto& shop) { shop.live_records_max = 1; });
  const auto token = AcquireInShop("k1")->grant().fencing_token();
  auto waiting = AcquireAsync("k1", "a2", [](v1::AcquireLockRequest& request) {
    InShop(request);
    request.mutable_wait_timeout()->set_seconds(60);
  });
  Await([&] { return Shop().waiters() == 1; }, "a waiting call");
  ASSERT_TRUE(server()
                  .ReplaceNamespaces(ShopWith([](auto& shop) {
                    shop.live_records_max = 2;
                    shop.lease_duration_max = 10s;
                    shop.downstream_key_ttl = 24h;
                    shop.payload_retention = 1h;
                  }))
                  .ok());
  EXPECT_EQ(Shop().live_records_max(), 2u);
  EXPECT_EQ(Shop().lease_duration_max().seconds(), 10);
  EXPECT_EQ(AcquireInShop("k2").reason(), "LEASE_DURATION_OUT_OF_RANGE");
  const auto short_lease = [](v1::AcquireLockRequest& request) {
    InShop(request);
    request.mutable_lease_duration()->set_seconds(10);
  };
  const auto second = Acquire("k2", "a1", short_lease);
  EXPECT_GT(second->grant().downstream_key_remaining().seconds(), 23 * 3600);
  Await([&] { return Shop().held() == 2; }, "the count of both");
  ExpectQuota(Acquire("k3", "a1", short_lease), "live_records_max", "2");
  // The lease that was granted under the old ones is renewed as it was granted.
  const auto renewed = Renew("k1", token, [](auto& request) { request.set_namespace_("shop"); });
  EXPECT_GT(renewed->lease_remaining().seconds(), 20);
  // A key that was in memory all the time, too, has the new ones.
  ASSERT_TRUE(RecordInShop("k1", token, "result").ok());
  const auto completed = waiting.get();
  ASSERT_TRUE(completed->has_completed());
  EXPECT_LE(completed->completed().body_expires_in().seconds(), 3600);
}

TEST_P(QuotaTest, AShorterRetentionIsWrittenDownBeforeAnythingIsForgotten) {
  StartShop([](auto& shop) { shop.key_retention = 24h * 90; });
  const auto horizon = [&] { return Shop().horizon().seconds(); };
  const auto before = horizon();
  ASSERT_TRUE(
      server().ReplaceNamespaces(ShopWith([](auto& shop) { shop.key_retention = 1h; })).ok());
  const auto shorter = horizon();
  EXPECT_GT(shorter, before + 80 * 86'400);
  // And does not move back when it is longer again, also not over a restart.
  ASSERT_TRUE(
      server().ReplaceNamespaces(ShopWith([](auto& shop) { shop.key_retention = 24h * 90; })).ok());
  EXPECT_GE(horizon(), shorter);
  if (!durable()) return;
  StartShop([](auto& shop) { shop.key_retention = 24h * 90; });
  EXPECT_GE(horizon(), shorter);
}

RUN_OVER_EVERY_STORE(QuotaTest);

}  // namespace
}  // namespace latchkey
