// How the etcd store speaks to a cluster: whom it asks, as whom, and what it refuses to work with.
#include <cstdlib>
#include <fstream>

#include "tests/storage/etcd_store_fixture.h"
#include "tests/support/certificates.h"

namespace latchkey::storage {
namespace {

using EtcdConnectionTest = EtcdRecordStoreTest;

TEST_F(EtcdConnectionTest, WhatAFrozenClusterDidIsNotKnownAndIsReadLater) {
  StartCluster();
  EtcdOptions options = Options();
  options.request_timeout = 200ms;
  options.read_patience = 400ms;
  const auto store = Open(options);
  cluster_->process(0).Freeze();
  EXPECT_EQ(CommitOne(*store, Grant("k", held_)).outcome, Outcome::kUnknown);
  EXPECT_FALSE(store->Load(std::vector<std::string>{"k"}).ok());
  const Write check{.store_key = "k", .check_only = true};
  EXPECT_EQ(CommitOne(*store, check).outcome, Outcome::kUnknown);
  EXPECT_FALSE(store->FreeSpace().has_value());
  cluster_->process(0).Thaw();
  absl::StatusOr<std::vector<Loaded>> loaded = absl::UnavailableError("");
  for (int i = 0; i < 100 && !loaded.ok(); ++i) loaded = store->Load(std::vector<std::string>{"k"});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  const WriteResult next = CommitOne(*store, Put("k", done_, (*loaded)[0].revision));
  if (next.outcome != Outcome::kCommitted) {
    // The write of before has come in between, which the condition shows.
    ASSERT_EQ(next.outcome, Outcome::kConflict);
    EXPECT_EQ(next.current.record->holder_id(), "h");
  }
}

TEST_F(EtcdConnectionTest, GoesOnWithAnotherMemberWhenOneDies) {
  StartCluster({.members = 3});
  const auto store = Open();
  ASSERT_EQ(CommitOne(*store, Put("a", held_)).outcome, Outcome::kCommitted);
  for (std::size_t victim = 0; victim < 3; ++victim) {
    cluster_->process(victim).Kill();
    const std::string key = "b" + std::to_string(victim);
    WriteResult result;
    for (int i = 0; i < 100 && result.outcome == Outcome::kUnknown; ++i) {
      result = CommitOne(*store, Put(key, held_));
    }
    // One that was unknown may have gone in, and the next try then finds it.
    EXPECT_NE(result.outcome, Outcome::kUnknown);
    EXPECT_NE((*store->Load(std::vector<std::string>{key}))[0].revision, 0u);
    ASSERT_TRUE(cluster_->Restart(victim).ok());
    ASSERT_TRUE(cluster_->Await(victim).ok());
  }
}

TEST_F(EtcdConnectionTest, DeploymentsWithOtherPrefixesDoNotMeet) {
  StartCluster();
  EtcdOptions options = Options();
  const auto one = Open(options);
  options.prefix = "latchkey2";
  const auto two = Open(options);
  CommitOne(*one, Put("a", held_));
  EXPECT_EQ((*two->Load(std::vector<std::string>{"a"}))[0].revision, 0u);
  EXPECT_TRUE(two->Scan({})->empty());
  EXPECT_EQ(CommitOne(*two, Put("a", held_)).outcome, Outcome::kCommitted);
}

TEST_F(EtcdConnectionTest, RefusesWhatItDidNotWriteAndWhatIsNewer) {
  StartCluster();
  const auto refused = [&](const std::string& prefix) {
    EtcdOptions options = Options();
    options.prefix = prefix;
    const auto opened = EtcdRecordStore::Open(options, clock_);
    return opened.ok()
               ? std::string("opened")
               : std::string(absl::IsFailedPrecondition(opened.status()) ? opened.status().message()
                                                                         : "another error");
  };
  PutBytes("foreign/key", "value");
  EXPECT_THAT(refused("foreign"), testing::HasSubstr("was not written by latchkeyd"));
  PutBytes("mine/format", "something");
  EXPECT_THAT(refused("mine"), testing::HasSubstr("was not written by latchkeyd"));
  PutBytes("newer/format", "2");
  EXPECT_THAT(refused("newer"), testing::HasSubstr("has format 2, and this latchkeyd knows 1"));
  EXPECT_EQ(refused("new"), "opened");
}

TEST_F(EtcdConnectionTest, SaysWhenTheDatabaseIsNearlyFull) {
  StartCluster({.arguments = {"--quota-backend-bytes=4194304"}});
  EtcdOptions options = Options();
  options.quota_bytes = 4 << 20;
  const auto store = Open(options);
  const auto before = store->FreeSpace();
  ASSERT_TRUE(before.has_value());
  EXPECT_EQ(before->total_bytes, std::uint64_t{4} << 20);
  Record large = done_;
  large.mutable_result()->set_payload(std::string(std::size_t{1} << 19, 'x'));
  for (int i = 0; i < 100 && store->FreeSpace()->free_bytes > 0; ++i) {
    const Outcome outcome = CommitOne(*store, Put("large" + std::to_string(i), large)).outcome;
    ASSERT_TRUE(outcome == Outcome::kCommitted || outcome == Outcome::kRefused);
  }
  EXPECT_EQ(store->FreeSpace()->free_bytes, 0u);
}

TEST_F(EtcdConnectionTest, SpeaksTlsAndShowsItsCertificate) {
  const TestCertificate authority = TestCertificate::MakeAuthority("etcd");
  const TestCertificate member =
      authority.Issue({.common_name = "member", .alternative_names = "IP:127.0.0.1"});
  const TestCertificate client = authority.Issue({.common_name = "latchkeyd"});
  const auto file = [&](const std::string& name, const std::string& text) {
    std::ofstream(directory_ / name) << text;
    return directory_ / name;
  };
  StartCluster(
      {.tls = true,
       .arguments = {"--cert-file=" + file("cert", member.pem()),
                     "--key-file=" + file("key", member.key_pem()),
                     "--trusted-ca-file=" + file("ca", authority.pem()), "--client-cert-auth"}});
  EtcdOptions options = Options();
  options.request_timeout = 1s;
  options.read_patience = 1s;
  options.ca = authority.pem();
  EXPECT_FALSE(EtcdRecordStore::Open(options, clock_).ok()) << "no certificate was shown";
  options.certificate = client.pem();
  options.key = client.key_pem();
  options.read_patience = 20s;
  const auto store = Open(options);
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(CommitOne(*store, Grant("k", held_)).outcome, Outcome::kCommitted);
  options.read_patience = 1s;
  options.ca = TestCertificate::MakeAuthority("another").pem();
  EXPECT_FALSE(EtcdRecordStore::Open(options, clock_).ok()) << "another authority";
}

TEST_F(EtcdConnectionTest, NamesItsUserAndGetsANewTokenWhenTheOldOneIsWorthNothing) {
  StartCluster({.arguments = {"--auth-token-ttl=1"}});
  const auto etcdctl = [&](const std::string& words) {
    return std::system(("ETCDCTL_API=3 etcdctl --endpoints=" + cluster_->address(0) + " " + words +
                        " >/dev/null 2>&1")
                           .c_str());
  };
  if (etcdctl("version") != 0) GTEST_SKIP() << "there is no etcdctl";
  ASSERT_EQ(etcdctl("user add root:secret"), 0);
  ASSERT_EQ(etcdctl("user grant-role root root"), 0);
  ASSERT_EQ(etcdctl("auth enable"), 0);
  EtcdOptions options = Options();
  options.read_patience = 1s;
  EXPECT_FALSE(EtcdRecordStore::Open(options, clock_).ok());
  options.user = "root";
  options.password = "wrong";
  EXPECT_FALSE(EtcdRecordStore::Open(options, clock_).ok());
  options.password = "secret";
  const auto store = Open(options);
  ASSERT_EQ(CommitOne(*store, Grant("a", held_)).outcome, Outcome::kCommitted);
  // Tokens do not outlive their member's process.
  cluster_->process(0).Kill();
  ASSERT_TRUE(cluster_->Restart(0).ok());
  WriteResult result;
  for (int i = 0; i < 20 && result.outcome != Outcome::kCommitted; ++i) {
    result = CommitOne(*store, Grant("b" + std::to_string(i), held_));
  }
  EXPECT_EQ(result.outcome, Outcome::kCommitted);
}

TEST(EtcdAddressTest, NamesMembersAndAPrefix) {
  const auto two = ParseEtcdAddress("etcd://a:1,b.example:2379");
  ASSERT_TRUE(two.ok());
  EXPECT_THAT(two->endpoints, testing::ElementsAre("a:1", "b.example:2379"));
  EXPECT_EQ(two->prefix, "latchkey");
  EXPECT_EQ(ParseEtcdAddress("etcd://a:1/team/locks")->prefix, "team/locks");
  EXPECT_EQ(ParseEtcdAddress("etcd://a:1/")->prefix, "latchkey");
  for (const char* wrong : {"etcd:", "etcd://", "etcd://a", "etcd://a:", "etcd://a:b", "etcd://:1",
                            "etcd://a:1,", "etcd://a:1/with space", "http://a:1"}) {
    EXPECT_FALSE(ParseEtcdAddress(wrong).ok()) << wrong;
  }
}

}  // namespace
}  // namespace latchkey::storage
