// What goes the same way goes together, once the batch is decided.
#include "server/partition/reply_gathering.h"

#include <memory>
#include <thread>
#include <utility>

#include <gtest/gtest.h>

namespace latchkey {
namespace {

class Counted final : public Gathered {
 public:
  void Flush() override {
    ++flushes;
    if (then != nullptr) ReplyGathering::FlushLater(std::exchange(then, nullptr));
  }
  int flushes = 0;
  // Brought by the flush.
  std::shared_ptr<Gathered> then;
};

TEST(ReplyGatheringTest, FlushesAtTheEndOfTheOutermostScope) {
  const auto gathered = std::make_shared<Counted>();
  {
    const ReplyGathering outer;
    {
      const ReplyGathering inner;
      ReplyGathering::FlushLater(gathered);
    }
    EXPECT_EQ(gathered->flushes, 0);
  }
  EXPECT_EQ(gathered->flushes, 1);
}

TEST(ReplyGatheringTest, FlushesWhenAsked) {
  const auto gathered = std::make_shared<Counted>();
  ReplyGathering replies;
  ReplyGathering::FlushLater(gathered);
  replies.Flush();
  EXPECT_EQ(gathered->flushes, 1);
}

TEST(ReplyGatheringTest, FlushesAtOnceWithoutAScope) {
  const auto gathered = std::make_shared<Counted>();
  ReplyGathering::FlushLater(gathered);
  EXPECT_EQ(gathered->flushes, 1);
  const ReplyGathering replies;
  std::thread other([&] { ReplyGathering::FlushLater(gathered); });
  other.join();
  EXPECT_EQ(gathered->flushes, 2) << "a scope is its thread's own";
}

TEST(ReplyGatheringTest, FlushesWhatAFlushBrings) {
  const auto brought = std::make_shared<Counted>();
  const auto gathered = std::make_shared<Counted>();
  gathered->then = brought;
  {
    const ReplyGathering replies;
    ReplyGathering::FlushLater(gathered);
  }
  EXPECT_EQ(brought->flushes, 1);
}

}  // namespace
}  // namespace latchkey
