// The access file: what it says, and that what is wrong with it is named with its line.

#include "server/main/access_file.h"

#include "tests/support/temporary_directory.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// Of "open sesame".
constexpr char kSesame[] =
    "sha256:41ef4bb0b23661e66301aac36066912dac037827b4ae63a7b1165a5aa93ed4eb";

std::string MessageOf(const std::string& text) {
  const auto parsed = ParseAccess(text, "access");
  return parsed.ok() ? "" : std::string(parsed.status().message());
}

Credentials Token(std::string_view token) {
  return {.has_token = true, .token = DigestOf(token), .certificate_names = {}};
}

TEST(AccessFileTest, GivesRolesInNamespaces) {
  const auto rules = ParseAccess("# who calls us\n\n  checkout " + std::string(kSesame) +
                                     " shop/charge=use  reports=read # both\n"
                                     "ops san:spiffe://prod/ops *=admin\n"
                                     "billing cn:billing.internal default=read default=use\n",
                                 "access");
  ASSERT_TRUE(rules.ok()) << rules.status();
  const auto checkout = (*rules)->Find(Token("open sesame"));
  ASSERT_NE(checkout, nullptr);
  EXPECT_EQ(checkout->name, "checkout");
  EXPECT_EQ(checkout->roles.In("shop/charge"), Role::kUse);
  EXPECT_EQ(checkout->roles.In("reports"), Role::kRead);
  EXPECT_EQ(checkout->roles.In("default"), Role::kNone);
  EXPECT_EQ(checkout->roles.everywhere(), Role::kNone);
  const auto ops = (*rules)->Find(
      {.certificate_names = {"san:other", "san:spiffe://prod/ops", "cn:billing.internal"}});
  ASSERT_NE(ops, nullptr);
  EXPECT_EQ(ops->roles.In("anything"), Role::kAdmin);
  EXPECT_EQ((*rules)->Find({.certificate_names = {"cn:billing.internal"}})->roles.In("default"),
            Role::kUse);
  EXPECT_EQ((*rules)->Find({.certificate_names = {"san:billing.internal"}}), nullptr);
  EXPECT_EQ((*rules)->Find(Token("open Sesame")), nullptr);
  EXPECT_EQ((*rules)->Find({}), nullptr);
}

// A token that is no good is not made good by a certificate.
TEST(AccessFileTest, ATokenDecidesAlone) {
  const auto rules = ParseAccess("ops cn:ops *=admin\n", "access");
  Credentials both = Token("guess");
  both.certificate_names = {"cn:ops"};
  EXPECT_EQ((*rules)->Find(both), nullptr);
}

TEST(AccessFileTest, RolesAddUp) {
  const auto rules =
      ParseAccess("a " + std::string(kSesame) + " *=read shop=admin other=use\n", "access");
  const Roles& roles = (*rules)->Find(Token("open sesame"))->roles;
  EXPECT_EQ(roles.In("shop"), Role::kAdmin);
  EXPECT_EQ(roles.In("other"), Role::kUse);
  EXPECT_EQ(roles.In("third"), Role::kRead);
}

TEST(AccessFileTest, WhatIsWrongIsNamedWithItsLine) {
  const std::string good = "a " + std::string(kSesame) + " *=read\n";
  EXPECT_THAT(MessageOf(""), HasSubstr("access: there is no credential in it"));
  EXPECT_THAT(MessageOf("# nobody\n"), HasSubstr("no credential"));
  EXPECT_THAT(MessageOf(good + "b\n"), StartsWith("access:2: write NAME"));
  EXPECT_THAT(MessageOf(good + good), HasSubstr("access:2: the credential of a stands above"));
  EXPECT_THAT(MessageOf("a sha256:12 *=read\n"), HasSubstr("64 hexadecimal digits"));
  EXPECT_THAT(MessageOf("a " + std::string(kSesame) + "\n"), HasSubstr("there is no role"));
  EXPECT_THAT(MessageOf("a " + std::string(kSesame) + " shop=owner\n"),
              HasSubstr("\"owner\" is none of the roles"));
  EXPECT_THAT(MessageOf("a " + std::string(kSesame) + " shop\n"), HasSubstr("no NAMESPACE=ROLE"));
  EXPECT_THAT(MessageOf("a " + std::string(kSesame) + " shop!=use\n"), HasSubstr("not allowed"));
  EXPECT_THAT(MessageOf("a san: *=read\n"), HasSubstr("begins with none of"));
}

TEST(AccessFileTest, ATokenThatWasWrittenInIsNotRepeated) {
  EXPECT_THAT(MessageOf("a latchkey_secret *=read\n"),
              testing::AllOf(HasSubstr("access:1: "), Not(HasSubstr("secret"))));
}

TEST(AccessFileTest, AFileThatCannotBeReadIsNamed) {
  TemporaryDirectory directory;
  EXPECT_THAT(std::string(ReadAccessFile(directory / "none").status().message()),
              HasSubstr("none: No such file"));
  EXPECT_THAT(std::string(ReadAccessFile(directory.path()).status().message()),
              HasSubstr(directory.path() + ": Is a directory"));
}

TEST(AccessFileTest, AMintedTokenIsWhatItsLineSays) {
  const auto first = MintToken("checkout shop=use *=read");
  const auto second = MintToken("checkout shop=use *=read");
  ASSERT_TRUE(first.ok());
  EXPECT_NE(*first, *second);
  const auto end = first->find('\n');
  const std::string token = first->substr(0, end);
  EXPECT_GE(token.size(), 43u);
  const std::string line = first->substr(end + 1);
  EXPECT_THAT(line, Not(HasSubstr(token)));
  const auto rules = ParseAccess(line, "access");
  ASSERT_TRUE(rules.ok()) << rules.status();
  EXPECT_EQ((*rules)->Find(Token(token))->roles.In("shop"), Role::kUse);
  for (const char* wrong : {"", "checkout", "checkout shop=owner"}) {
    EXPECT_FALSE(MintToken(wrong).ok()) << wrong;
  }
}

}  // namespace
}  // namespace latchkey
