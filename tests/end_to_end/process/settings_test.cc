// Where settings come from, and which one wins.

#include "server/main/settings.h"

#include <stdlib.h>

#include <fstream>

#include "tests/support/temporary_directory.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey {
namespace {

using std::chrono_literals::operator""h;
using std::chrono_literals::operator""min;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using testing::HasSubstr;

class SettingsTest : public testing::Test {
 protected:
  ~SettingsTest() override {
    for (const std::string& name : variables_) unsetenv(name.c_str());
  }
  void SetVariable(const std::string& name, const std::string& value) {
    setenv(name.c_str(), value.c_str(), 1);
    variables_.push_back(name);
  }
  std::string File(const std::string& text) {
    std::ofstream(directory_ / "latchkey.toml") << text;
    return "--config=" + (directory_ / "latchkey.toml");
  }
  static absl::StatusOr<CommandLine> Read(std::vector<std::string> words) {
    words.insert(words.begin(), "latchkeyd");
    std::vector<const char*> argv;
    for (const std::string& word : words) argv.push_back(word.c_str());
    return ReadSettings(static_cast<int>(argv.size()), argv.data());
  }
  static Settings MustRead(std::vector<std::string> words) {
    auto read = Read(std::move(words));
    EXPECT_TRUE(read.ok()) << read.status();
    return read.ok() ? std::get<Settings>(*read) : Settings();
  }

 private:
  std::vector<std::string> variables_;
  TemporaryDirectory directory_;
};

TEST_F(SettingsTest, Defaults) {
  const Settings settings = MustRead({});
  EXPECT_EQ(settings.server.listen_address, "127.0.0.1:7420");
  EXPECT_EQ(settings.store, "rocksdb:/var/lib/latchkey");
  EXPECT_EQ(settings.server.partitions, 2u);
  EXPECT_EQ(settings.server.namespaces.others().key_retention, 24h * 90);
}

TEST_F(SettingsTest, FlagBeatsEnvironmentBeatsFile) {
  const std::string file = File("partitions = 3\nlog_level = \"warn\"\npayload_bytes_max = 1000\n");
  SetVariable("LATCHKEY_PARTITIONS", "4");
  SetVariable("LATCHKEY_LOG_LEVEL", "error");
  const Settings settings = MustRead({file, "--partitions=5"});
  EXPECT_EQ(settings.server.partitions, 5u);
  EXPECT_EQ(settings.log_level, "error");
  EXPECT_EQ(settings.server.limits.payload_bytes, 1000u);
}

TEST_F(SettingsTest, NamespacesOfTheFile) {
  const std::string file = File(
      "key_retention = \"30d\"\n"
      "[namespaces.shop]\ndownstream_key_ttl = \"24h\"\nlive_records_max = 7\n"
      "[namespaces.\"eu/shop\"]\nkey_retention = \"1h\"\n");
  const Namespaces namespaces = MustRead({file}).server.namespaces;
  EXPECT_EQ(namespaces.Get("anything").key_retention, 24h * 30);
  EXPECT_EQ(namespaces.Get("shop").key_retention, 24h * 30);
  EXPECT_EQ(namespaces.Get("shop").downstream_key_ttl, 24h);
  EXPECT_EQ(namespaces.Get("shop").live_records_max, 7u);
  EXPECT_EQ(namespaces.Get("eu/shop").key_retention, 1h);
}

TEST_F(SettingsTest, WrongSettingsNameTheirLine) {
  const auto message = [&](const std::string& text) {
    const auto read = Read({File(text)});
    EXPECT_FALSE(read.ok()) << text;
    return std::string(read.status().message());
  };
  EXPECT_THAT(message("\npartitions = 0\n"), HasSubstr(":2: partitions"));
  EXPECT_THAT(message("partitions = 1.5\n"), HasSubstr(":1: partitions"));
  EXPECT_THAT(message("a = \n"), HasSubstr(":1"));
  EXPECT_THAT(message("[namespaces.shop]\nkey_retentio = \"1h\"\n"), HasSubstr(":2: a namespace"));
  EXPECT_THAT(message("[namespaces.shop]\nkey_retention = \"-1h\"\n"),
              HasSubstr(":2: key_retention"));
  EXPECT_THAT(message("namespaces = 1\n"), HasSubstr(":1"));
}

// Whatever stands in the file.
TEST_F(SettingsTest, WhatIsWrongIsSaidOnOneLine) {
  const auto message = [&](const std::string& text) {
    return std::string(Read({File(text)}).status().message());
  };
  EXPECT_THAT(message("accept_clock_step = tru\n"), HasSubstr("saw 'tru\\x0a'"));
  EXPECT_THAT(message("\"a\\nb\" = 1\n"), HasSubstr("no setting \"a\\x0ab\""));
  EXPECT_THAT(message("log_level = \"\\u007F\"\n"), HasSubstr("\"\\x7f\""));
}

TEST_F(SettingsTest, LeasesAreNoLongerThanTheContractSays) {
  EXPECT_EQ(MustRead({"--lease-duration-max=15m"}).server.namespaces.others().lease_duration_max,
            15min);
  EXPECT_EQ(MustRead({"--lease-duration-max=100ms"}).server.namespaces.others().lease_duration_max,
            100ms);
  for (const char* wrong : {"15m1ms", "99ms", "0"}) {
    const auto read = Read({std::string("--lease-duration-max=") + wrong});
    ASSERT_FALSE(read.ok()) << wrong;
    EXPECT_THAT(std::string(read.status().message()), HasSubstr("--lease-duration-max: \""));
  }
  const auto read = Read({File("[namespaces.shop]\nlease_duration_max = \"1h\"\n")});
  ASSERT_FALSE(read.ok());
  EXPECT_THAT(std::string(read.status().message()),
              HasSubstr(":2: lease_duration_max: \"1h\" is not from 100ms to 15m"));
}

TEST_F(SettingsTest, NamespacesThatNoRequestCanNameAreRefused) {
  const auto message = [&](const std::string& name) {
    const auto read = Read({File("\n[namespaces." + name + "]\nkey_retention = \"1h\"\n")});
    return read.ok() ? "" : std::string(read.status().message());
  };
  EXPECT_EQ(message("\"*\""), "");
  EXPECT_EQ(message("\"aZ09._:/@-\""), "");
  EXPECT_EQ(message(std::string(64, 'n')), "");
  EXPECT_THAT(message(std::string(65, 'n')), HasSubstr("65 bytes, at most 64"));
  EXPECT_THAT(message("\"a b\""), HasSubstr(":2: namespace \"a b\": "));
  EXPECT_THAT(message("\"shop*\""), HasSubstr("not allowed"));
  EXPECT_THAT(message("\"\""), HasSubstr("empty"));
}

TEST_F(SettingsTest, PayloadsAreNotKeptLongerThanTheirKeys) {
  const Namespaces namespaces = MustRead({File("[namespaces.\"*\"]\nkey_retention = \"1h\"\n"
                                               "[namespaces.shop]\nkey_retention = \"90d\"\n")})
                                    .server.namespaces;
  EXPECT_EQ(namespaces.Get("anything").payload_retention, 1h);
  EXPECT_EQ(namespaces.Get("shop").payload_retention, 72h);
}

TEST_F(SettingsTest, MetricsAreOffUnlessAnAddressIsGiven) {
  EXPECT_EQ(MustRead({}).metrics_address, "");
  SetVariable("LATCHKEY_METRICS_ADDRESS", "127.0.0.1:7421");
  EXPECT_EQ(MustRead({}).metrics_address, "127.0.0.1:7421");
  EXPECT_EQ(MustRead({"--metrics-address=off"}).metrics_address, "");
  EXPECT_FALSE(Read({"--metrics-address="}).ok());
  EXPECT_EQ(MustRead({File("metrics_address = \"[::1]:0\"\n"), "--metrics-address=[::1]:1"})
                .metrics_address,
            "[::1]:1");
}

TEST_F(SettingsTest, SwitchesStandAloneOrHaveAValue) {
  EXPECT_TRUE(MustRead({"--log-keys"}).log_keys);
  EXPECT_FALSE(MustRead({"--log-keys=false"}).log_keys);
  SetVariable("LATCHKEY_ACCEPT_CLOCK_STEP", "true");
  EXPECT_TRUE(MustRead({}).server.accept_clock_step);
}

TEST_F(SettingsTest, Durations) {
  EXPECT_EQ(*ParseDuration("500ms"), 500ms);
  EXPECT_EQ(*ParseDuration("1h30m"), 90min);
  EXPECT_EQ(*ParseDuration("90d"), 24h * 90);
  EXPECT_EQ(*ParseDuration("0"), 0s);
  for (const char* wrong : {"", "d", "-1s", "1x", "inf", "99999999d"}) {
    EXPECT_FALSE(ParseDuration(wrong).ok()) << wrong;
  }
}

}  // namespace
}  // namespace latchkey
