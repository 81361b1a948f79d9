#include "tools/fault_test/message_ends.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey::faults {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::string kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// A number below 65,536 in so many bytes.
std::string Number(std::size_t number, std::size_t bytes) {
  std::string text(bytes, '\0');
  text[bytes - 1] = static_cast<char>(number & 0xff);
  text[bytes - 2] = static_cast<char>(number >> 8);
  return text;
}

std::string Frame(char type, std::size_t stream, const std::string& payload) {
  return Number(payload.size(), 3) + type + '\0' + Number(stream, 4) + payload;
}
std::string Data(std::size_t stream, const std::string& payload) {
  return Frame(0, stream, payload);
}
std::string Headers(std::size_t stream) { return Frame(1, stream, "any headers"); }
std::string Settings() { return Frame(4, 0, ""); }

std::string Message(std::size_t size) { return '\0' + Number(size, 4) + std::string(size, 'm'); }

TEST(MessageEndsTest, KnowsWhereAMessageEnds) {
  const std::string before = kPreface + Settings() + Headers(1);
  const std::string request = before + Data(1, Message(300));
  EXPECT_THAT(MessageEnds().Take(request + Settings()), ElementsAre(request.size()));
}

TEST(MessageEndsTest, KnowsItWhereverTheBytesAreCut) {
  const std::string request = kPreface + Headers(1) + Data(1, Message(20));
  for (std::size_t cut = 1; cut < request.size(); ++cut) {
    MessageEnds ends;
    EXPECT_THAT(ends.Take(request.substr(0, cut)), IsEmpty());
    EXPECT_THAT(ends.Take(request.substr(cut)), ElementsAre(request.size() - cut)) << cut;
  }
}

TEST(MessageEndsTest, KnowsAMessageOfSeveralFrames) {
  const std::string message = Message(300);
  const std::string first = kPreface + Headers(1) + Data(1, message.substr(0, 3));
  const std::string second = Headers(3) + Data(1, message.substr(3, 200));
  const std::string third = Data(1, message.substr(203));
  MessageEnds ends;
  EXPECT_THAT(ends.Take(first), IsEmpty());
  EXPECT_THAT(ends.Take(second), IsEmpty());
  EXPECT_THAT(ends.Take(third), ElementsAre(third.size()));
}

TEST(MessageEndsTest, KnowsEachMessageOfAStream) {
  const std::string first = kPreface + Headers(1) + Data(1, Message(7));
  const std::string second = first + Data(1, Message(0));
  const std::string third = second + Data(1, Message(9));
  EXPECT_THAT(MessageEnds().Take(third), ElementsAre(first.size(), second.size(), third.size()));
}

TEST(MessageEndsTest, TellsStreamsApart) {
  const std::string half = kPreface + Data(1, Message(10).substr(0, 8));
  const std::string other = half + Data(3, Message(5));
  const std::string rest = other + Data(1, Message(10).substr(8));
  EXPECT_THAT(MessageEnds().Take(rest), ElementsAre(other.size(), rest.size()));
}

}  // namespace
}  // namespace latchkey::faults
