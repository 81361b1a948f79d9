// WatchRecords: what was committed, in its order, or a word that some is missing.
#include "server/access/access_rules.h"
#include "server/machine/proto_time.h"
#include "tests/behaviour/behaviour_fixture.h"

namespace latchkey {
namespace {

using ::testing::ElementsAre;

// A stream, read by the test.
class Watch {
 public:
  Watch(v1::AdminService::Stub& admin, const v1::WatchRecordsRequest& request,
        const std::string& token = "") {
    context_.set_deadline(std::chrono::system_clock::now() + 60s);
    if (!token.empty()) context_.AddMetadata("authorization", "Bearer " + token);
    reader_ = admin.WatchRecords(&context_, request);
  }
  ~Watch() {
    context_.TryCancel();
    v1::WatchRecordsResponse ignored;
    while (reader_ != nullptr && reader_->Read(&ignored)) {
    }
  }

  // The next message; an empty one if the stream has ended.
  v1::WatchRecordsResponse Next() {
    v1::WatchRecordsResponse response;
    if (!reader_->Read(&response)) response.Clear();
    return response;
  }
  // The next one that is no mere word on how far it has come.
  v1::WatchRecordsResponse NextNews() {
    while (true) {
      auto response = Next();
      if (response.has_record() || response.missed_changes() || response.revision() == 0) {
        return response;
      }
    }
  }
  // Reads the present state; its keys. The watch goes on from `revision`.
  std::vector<std::string> ReadPresent(std::uint64_t* revision = nullptr) {
    std::vector<std::string> keys;
    while (true) {
      const auto response = Next();
      if (!response.has_record()) {
        EXPECT_NE(response.revision(), 0u) << "the stream has ended";
        if (revision != nullptr) *revision = response.revision();
        return keys;
      }
      EXPECT_EQ(response.revision(), 0u);
      keys.push_back(response.record().key());
    }
  }
  Reply<v1::WatchRecordsResponse> End() {
    v1::WatchRecordsResponse ignored;
    while (reader_->Read(&ignored)) {
    }
    Reply<v1::WatchRecordsResponse> reply;
    reply.status = reader_->Finish();
    reader_ = nullptr;
    return reply;
  }
  std::string EndReason() { return End().reason(); }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::WatchRecordsResponse>> reader_;
};

class WatchTest : public BehaviourTest {
 protected:
  Watch Begin(std::uint64_t after_revision = 0, const std::string& key_prefix = "",
              const std::string& name_space = "") {
    v1::WatchRecordsRequest request;
    request.set_after_revision(after_revision);
    request.set_key_prefix(key_prefix);
    request.set_namespace_(name_space);
    return {admin(), request};
  }
};
RUN_OVER_EVERY_STORE(WatchTest);

TEST_P(WatchTest, ThePresentStateComesFirstAndThenEveryChange) {
  Record("a", MustAcquire("a", "x"));
  MustAcquire("b", "x");
  Watch watch = Begin();
  EXPECT_THAT(watch.ReadPresent(), ElementsAre("a", "b"));

  const std::uint64_t token = MustAcquire("c", "x");
  auto news = watch.NextNews();
  EXPECT_EQ(news.record().key(), "c");
  EXPECT_EQ(news.record().state(), State::HELD);
  EXPECT_EQ(news.record().fencing_token(), token);
  const std::uint64_t revision = news.revision();
  Record("c", token);
  news = watch.NextNews();
  EXPECT_EQ(news.record().state(), State::COMPLETED);
  EXPECT_EQ(news.record().result().provider_reference(), "pay_1");
  EXPECT_GT(news.revision(), revision);
  EXPECT_FALSE(news.missed_changes());
}

TEST_P(WatchTest, AKeyThatIsGoneIsShownAbsent) {
  const std::uint64_t token = MustAcquire("k", "x");
  Watch watch = Begin();
  watch.ReadPresent();
  Release("k", token);
  const auto news = watch.NextNews();
  EXPECT_EQ(news.record().key(), "k");
  EXPECT_EQ(news.record().state(), State::ABSENT);
}

TEST_P(WatchTest, OnlyWhatIsAskedForIsShown) {
  Watch watch = Begin(0, "order:", "shop");
  watch.ReadPresent();
  const auto in_shop = [](auto& request) { request.set_namespace_("shop"); };
  MustAcquire("order:1", "x");
  MustAcquire("other:1", "x", in_shop);
  MustAcquire("order:2", "x", in_shop);
  const auto news = watch.NextNews();
  EXPECT_EQ(news.record().namespace_(), "shop");
  EXPECT_EQ(news.record().key(), "order:2");
}

TEST_P(WatchTest, AWatchIsResumedWithoutALoss) {
  std::uint64_t revision = 0;
  {
    Watch watch = Begin();
    watch.ReadPresent(&revision);
    MustAcquire("a", "x");
    revision = watch.NextNews().revision();
  }
  MustAcquire("b", "x");
  MustAcquire("c", "x");
  Watch watch = Begin(revision);
  EXPECT_EQ(watch.NextNews().record().key(), "b");
  EXPECT_EQ(watch.NextNews().record().key(), "c");
}

TEST_P(WatchTest, ARevisionThatIsNotKeptIsSaidToBeMissed) {
  StartServer([](ServerOptions& options) { options.limits.watched_changes = 3; });
  std::uint64_t revision = 0;
  Begin().ReadPresent(&revision);
  for (int i = 0; i < 4; ++i) MustAcquire("k" + std::to_string(i), "x");
  {
    Watch watch = Begin(revision);
    const auto news = watch.NextNews();
    EXPECT_TRUE(news.missed_changes());
    EXPECT_GE(news.revision(), revision + 4) << "it goes on with what is newest";
    MustAcquire("next", "x");
    EXPECT_EQ(watch.NextNews().record().key(), "next");
  }
  constexpr std::uint64_t kFarAhead = 1'000'000'000;
  EXPECT_TRUE(Begin(revision + kFarAhead).NextNews().missed_changes()) << "it was never given";
}

TEST_P(WatchTest, ARestartIsNeverSilent) {
  std::uint64_t revision = 0;
  {
    Watch watch = Begin();
    watch.ReadPresent(&revision);
    MustAcquire("a", "x");
    revision = watch.NextNews().revision();
  }
  StartServer();
  MustAcquire("b", "x");
  const auto news = Begin(revision).NextNews();
  // etcd knows what it has not compacted, whichever server asks.
  if (!over_etcd()) {
    EXPECT_TRUE(news.missed_changes());
  } else {
    EXPECT_EQ(news.record().key(), "b");
  }
  EXPECT_TRUE(!durable() || news.revision() > revision);
}

TEST_P(WatchTest, ALargePayloadIsLeftOut) {
  const auto body = [](std::size_t size) {
    return [size](auto& request) { request.set_payload(std::string(size, 'x')); };
  };
  Record("large", MustAcquire("large", "x"), body(1'025));
  Watch watch = Begin();
  auto present = watch.Next();
  EXPECT_EQ(present.record().key(), "large");
  EXPECT_TRUE(present.payload_left_out());
  EXPECT_EQ(present.record().result().payload(), "");
  watch.ReadPresent();
  const std::uint64_t token = MustAcquire("small", "x");
  watch.NextNews();
  Record("small", token, body(1'024));
  const auto news = watch.NextNews();
  EXPECT_FALSE(news.payload_left_out());
  EXPECT_EQ(news.record().result().payload().size(), 1'024u);
}

TEST_P(WatchTest, AWatcherThatDoesNotReadIsToldAndNotBufferedFor) {
  StartServer([](ServerOptions& options) { options.limits.watched_changes = 100; });
  Watch watch = Begin();
  watch.ReadPresent();
  // More than gRPC and the kernel take by themselves.
  const std::string checkpoint(4'000, 'c');
  const std::uint64_t token = MustAcquire("k", "x");
  for (int i = 0; i < 8'000; ++i) {
    Renew("k", token,
          [&](auto& request) { request.set_checkpoint(checkpoint + std::to_string(i)); });
  }
  std::uint64_t revision = 0;
  bool missed = false;
  while (!missed) {
    const auto news = watch.NextNews();
    ASSERT_NE(news.revision(), 0u) << "never told";
    EXPECT_GT(news.revision(), revision);
    revision = news.revision();
    missed = news.missed_changes();
  }
  MustAcquire("last", "x");
  EXPECT_EQ(watch.NextNews().record().key(), "last");
}

TEST_P(WatchTest, SoManyMayWatch) {
  StartServer([](ServerOptions& options) { options.limits.watchers = 2; });
  Watch one = Begin();
  one.ReadPresent();
  {
    Watch two = Begin();
    two.ReadPresent();
    EXPECT_EQ(Begin().EndReason(), "WATCHERS_LIMIT");
  }
  Await([this] { return Begin(1).NextNews().missed_changes(); }, "a place to be free again");
}

TEST_P(WatchTest, WhatIsMalformedIsRefused) {
  EXPECT_EQ(Begin(0, "a b").EndReason(), "KEY_PREFIX_MALFORMED");
  EXPECT_EQ(Begin(0, std::string(256, 'k')).EndReason(), "KEY_PREFIX_TOO_LONG");
  EXPECT_EQ(Begin(0, "", "a b").EndReason(), "NAMESPACE_MALFORMED");
}

TEST_P(WatchTest, AShutdownEndsTheStream) {
  Watch watch = Begin();
  watch.ReadPresent();
  auto end = std::async(std::launch::async, [&] { return watch.EndReason(); });
  StopServer();
  EXPECT_EQ(end.get(), "SHUTTING_DOWN");
}

// With callers "one" and "two", whose tokens are their names.
class WatchAccessTest : public WatchTest {
 protected:
  using Rights = std::vector<std::pair<std::string, Role>>;

  WatchAccessTest() {
    StartServer([](ServerOptions& options) {
      options.access = RulesOf({{"one", Role::kRead}, {"two", Role::kUse}});
    });
    ActAs("two");
  }

  // What they may do in "shop".
  static std::shared_ptr<const AccessRules> RulesOf(const Rights& rights) {
    auto rules = std::make_shared<AccessRules>();
    for (const auto& [name, role] : rights) {
      Identity identity{name, {}};
      identity.roles.Add("shop", role);
      EXPECT_TRUE(rules->AddToken(DigestOf(name), std::move(identity)));
    }
    return rules;
  }
  Watch BeginAs(const std::string& token) {
    v1::WatchRecordsRequest request;
    request.set_namespace_("shop");
    return {admin(), request, token};
  }
  void AcquireInShop(const std::string& key) {
    MustAcquire(key, "x", [](auto& request) { request.set_namespace_("shop"); });
  }
};
RUN_OVER_EVERY_STORE(WatchAccessTest);

TEST_P(WatchAccessTest, EndsWhenTheTokenIsWithdrawnAndThoseOfOthersGoOn) {
  Watch ends = BeginAs("one");
  Watch stays = BeginAs("two");
  ends.ReadPresent();
  stays.ReadPresent();
  server().ReplaceAccess(RulesOf({{"two", Role::kUse}}));
  const auto ended = ends.End();
  EXPECT_EQ(ended.status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(ended.reason(), "CREDENTIALS_REQUIRED");
  AcquireInShop("k");
  EXPECT_EQ(stays.NextNews().record().key(), "k");
}

TEST_P(WatchAccessTest, EndsWhenTheRoleIsTakenAway) {
  Watch watch = BeginAs("one");
  watch.ReadPresent();
  server().ReplaceAccess(RulesOf({{"one", Role::kAdmin}, {"two", Role::kUse}}));
  AcquireInShop("k");
  EXPECT_EQ(watch.NextNews().record().key(), "k") << "other rules that still allow it";
  server().ReplaceAccess(RulesOf({{"one", Role::kNone}, {"two", Role::kUse}}));
  const auto ended = watch.End();
  EXPECT_EQ(ended.status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(ended.reason(), "PERMISSION_DENIED");
  EXPECT_EQ(BeginAs("one").EndReason(), "PERMISSION_DENIED");
}

TEST_P(WatchTest, HowFarItHasComeIsSaidAlsoWhereNothingIsShown) {
  Watch watch = Begin(0, "never");
  std::uint64_t revision = 0;
  watch.ReadPresent(&revision);
  MustAcquire("k", "x");
  const auto word = watch.Next();
  EXPECT_FALSE(word.has_record());
  EXPECT_EQ(word.revision(), revision + 1);
}

}  // namespace
}  // namespace latchkey
