// ListRecords, page by page: no page is too large for a stock client, and no record is skipped or
// shown twice, whatever the filter, the page size and the payloads.

#include <map>
#include <random>

#include "tests/behaviour/behaviour_fixture.h"

namespace latchkey {
namespace {

using ListingTest = BehaviourTest;
RUN_OVER_EVERY_STORE(ListingTest);

using Listing = v1::ListRecordsRequest;
using Keys = std::vector<std::string>;

constexpr std::size_t kPageBytes = 2 * 1024 * 1024;
// For the token.
constexpr std::size_t kPageSlack = 1024;

TEST_P(ListingTest, PageOfLargePayloadsFitsAStockClient) {
  const std::string payload(64 * 1024, 'p');
  for (int i = 0; i < 100; ++i) {
    const std::string key = "order:" + std::to_string(100 + i);
    ASSERT_TRUE(Record(key, MustAcquire(key, "a1"), [&](auto& r) { r.set_payload(payload); }).ok());
  }
  const auto page = List();
  ASSERT_TRUE(page.ok()) << page.status.error_message();
  EXPECT_GT(page->records_size(), 20);
  EXPECT_LT(page->ByteSizeLong(), kPageBytes + kPageSlack);
  EXPECT_EQ(page->records(0).result().payload(), payload);
  EXPECT_NE(page->next_page_token(), "");
}

TEST_P(ListingTest, PayloadOfTheLargestSizeFits) {
  StartServer([](ServerOptions& options) { options.limits.payload_bytes = kPayloadBytesMax; });
  const std::string payload(kPayloadBytesMax, 'p');
  for (const char* key : {"order:1", "order:2", "order:3"}) {
    ASSERT_TRUE(Record(key, MustAcquire(key, "a1"), [&](auto& r) { r.set_payload(payload); }).ok());
  }
  const auto page = List();
  ASSERT_TRUE(page.ok()) << page.status.error_message();
  EXPECT_EQ(page->records_size(), 1);
}

class ListingPropertyTest : public BehaviourTest {
 protected:
  struct Kept {
    State::State state;
    std::string holder;
  };

  // Some held, some in doubt, the others completed, with payloads of all sizes.
  void MakeRecords(int count) {
    StartServer([](ServerOptions& options) { options.limits.payload_bytes = kPayloadBytesMax; });
    for (int i = 0; i < count; ++i) {
      const std::string key = (Chance(2) ? "order:" : "parcel:") + std::to_string(1000 + i);
      Kept& kept = records_[key];
      kept.holder = Chance(5) ? "rare" : "usual";
      const auto token =
          MustAcquire(key, "a1", [&](auto& request) { request.set_holder_id(kept.holder); });
      kept.state = Chance(4) ? State::HELD : Chance(4) ? State::IN_DOUBT : State::COMPLETED;
      if (kept.state == State::IN_DOUBT) {
        ASSERT_TRUE(Release(key, token, v1::ReleaseRequest::UNKNOWN).ok());
      } else if (kept.state == State::COMPLETED) {
        const std::size_t bytes = Chance(3) ? Below(700'000) : Below(100);
        ASSERT_TRUE(
            Record(key, token, [&](auto& r) { r.set_payload(std::string(bytes, 'p')); }).ok());
      }
    }
  }

  Listing RandomListing() {
    Listing listing;
    listing.set_page_size(static_cast<std::uint32_t>(1 + Below(Chance(2) ? 5 : 200)));
    if (Chance(2)) listing.set_holder_id(Chance(2) ? "rare" : "usual");
    if (Chance(3)) listing.set_key_prefix("order:");
    if (Chance(2)) listing.set_state(static_cast<State::State>(State::HELD + Below(3)));
    return listing;
  }

  Keys Expected(const Listing& listing) const {
    Keys keys;
    for (const auto& [key, kept] : records_) {
      if (!key.starts_with(listing.key_prefix())) continue;
      if (!listing.holder_id().empty() && kept.holder != listing.holder_id()) continue;
      if (listing.state() != State::STATE_UNSPECIFIED && kept.state != listing.state()) continue;
      keys.push_back(key);
    }
    return keys;
  }

  Keys ListAll(Listing listing) {
    Keys keys;
    do {
      const auto page = List([&](Listing& request) { request = listing; });
      EXPECT_TRUE(page.ok()) << page.status.error_message();
      if (!page.ok()) return keys;
      EXPECT_LE(page->records_size(), static_cast<int>(listing.page_size()));
      EXPECT_LT(page->ByteSizeLong(), kPageBytes + kPageSlack);
      for (const auto& record : page->records()) keys.push_back(record.key());
      listing.set_page_token(page->next_page_token());
      ++pages_;
    } while (!listing.page_token().empty());
    return keys;
  }

  int pages() const { return pages_; }
  const std::map<std::string, Kept>& records() const { return records_; }

 private:
  std::size_t Below(std::size_t bound) { return random_() % bound; }
  bool Chance(std::size_t of) { return Below(of) == 0; }

  std::mt19937 random_{7};
  std::map<std::string, Kept> records_;
  int pages_ = 0;
};
RUN_OVER_EVERY_STORE(ListingPropertyTest);

TEST_P(ListingPropertyTest, EveryRecordIsShownOnce) {
  if (over_etcd()) GTEST_SKIP() << "its leases are shorter than what it reads takes there";
  MakeRecords(200);
  std::size_t shown = 0;
  for (int i = 0; i < 60; ++i) {
    const Listing listing = RandomListing();
    const Keys expected = Expected(listing);
    ASSERT_EQ(ListAll(listing), expected) << listing.ShortDebugString();
    shown += expected.size();
  }
  std::printf("pages=%d shown=%zu\n", pages(), shown);
  EXPECT_GT(pages(), 200);
  EXPECT_GT(shown, 1000u);
}

}  // namespace
}  // namespace latchkey
