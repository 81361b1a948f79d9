// Certificates and tokens, as an operator sets them up and replaces them.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>

#include "latchkey/client.h"
#include "server/main/access_file.h"
#include "tests/end_to_end/process/program.h"
#include "tests/support/certificates.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using testing::HasSubstr;

constexpr char kLoopback[] = "IP:127.0.0.1,DNS:localhost";

class CredentialsTest : public testing::Test {
 protected:
  CredentialsTest() {
    server_.WriteTo(Path("server.crt"), Path("server.key"));
    Write("ca.crt", authority_.pem());
  }

  std::string Path(const std::string& name) const { return directory_ / name; }
  // In one step, as who replaces files should.
  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(Path(name + ".new")) << text;
    std::filesystem::rename(Path(name + ".new"), Path(name));
  }
  // A token for `who`, whose line is added to the access file.
  std::string Mint(const std::string& who) {
    const std::string minted = *MintToken(who);
    const auto end = minted.find('\n');
    access_ += minted.substr(end + 1);
    Write("access", access_);
    return minted.substr(0, end);
  }
  void Withdraw(const std::string& name) {
    const auto begin = access_.find(name + " ");
    access_.erase(begin, access_.find('\n', begin) + 1 - begin);
    Write("access", access_);
  }

  std::vector<std::string> TlsFlags() const {
    return {"--store=memory:", "--tls-certificate=" + Path("server.crt"),
            "--tls-key=" + Path("server.key")};
  }
  std::vector<std::string> AccessFlags() const {
    return {"--store=memory:", "--access-file=" + Path("access")};
  }
  static std::vector<std::string> With(std::vector<std::string> flags, const std::string& more) {
    flags.push_back(more);
    return flags;
  }

  // "OK", the reason of a refusal, or "no answer".
  static std::string Check(Client& client) {
    const auto answer = client.CheckResult("k", {.timeout = 2s});
    if (answer.ok()) return "OK";
    const Error& error = answer.error();
    if (error.kind == Error::Kind::kRefused) return error.reason;
    last_message_ = error.message;
    return "no answer";
  }
  // By a connection of its own.
  static std::string CheckWith(const RunningLatchkeyd& server, ClientOptions options) {
    Client client = Client::Connect(server.address(), std::move(options));
    return Check(client);
  }
  ClientOptions Trusting(const std::string& ca) const {
    return {.tls = TlsOptions{.ca_file = Path(ca)}};
  }

  static inline std::string last_message_;
  TemporaryDirectory directory_;
  const TestCertificate authority_ = TestCertificate::MakeAuthority("first authority");
  const TestCertificate other_authority_ = TestCertificate::MakeAuthority("other authority");
  const TestCertificate server_ = authority_.Issue({.alternative_names = kLoopback});
  std::string access_;
};

TEST_F(CredentialsTest, TlsIsForThoseWhoTrustTheAuthority) {
  RunningLatchkeyd server(TlsFlags());
  Write("other.crt", other_authority_.pem());
  EXPECT_EQ(CheckWith(server, Trusting("ca.crt")), "OK");
  ClientOptions unary = Trusting("ca.crt");
  unary.transport = TransportKind::kUnary;
  EXPECT_EQ(CheckWith(server, unary), "OK");
  EXPECT_EQ(CheckWith(server, Trusting("other.crt")), "no answer");
  EXPECT_EQ(CheckWith(server, {}), "no answer");
  ClientOptions misnamed = Trusting("ca.crt");
  misnamed.tls->server_name = "bank.example";
  EXPECT_EQ(CheckWith(server, misnamed), "no answer");
  EXPECT_EQ(CheckWith(server, Trusting("nowhere.crt")), "no answer");
  EXPECT_THAT(last_message_, HasSubstr("ca_file " + Path("nowhere.crt") + ": No such file"));
}

TEST_F(CredentialsTest, ABadStartNamesTheFile) {
  const auto refused = [&](const std::vector<std::string>& flags, const std::string& words) {
    const Ended ended = RunLatchkeyd(With(flags, "--listen-address=127.0.0.1:0"));
    EXPECT_EQ(ended.exit_code, 2);
    EXPECT_EQ(std::count(ended.standard_error.begin(), ended.standard_error.end(), '\n'), 1)
        << ended.standard_error;
    EXPECT_THAT(ended.standard_error, HasSubstr(words));
  };
  const auto serve = [&](const TestCertificate& certificate) {
    certificate.WriteTo(Path("server.crt"), Path("server.key"));
  };
  serve(authority_.Issue({.not_after = -60}));
  refused(TlsFlags(), "server.crt: expired on ");
  serve(authority_.Issue({.not_before = 60}));
  refused(TlsFlags(), "server.crt: not valid before ");
  serve(server_);
  Write("server.key", other_authority_.key_pem());
  refused(TlsFlags(), "server.key: it is not the key of the certificate ");
  Write("server.key", "nonsense");
  refused(TlsFlags(), "server.key: there is no PEM private key");
  Write("server.crt", "nonsense");
  refused(TlsFlags(), "server.crt: there is no PEM certificate");
  std::filesystem::remove(Path("server.crt"));
  refused(TlsFlags(), "server.crt: No such file");
  refused(AccessFlags(), "access: No such file");
  Write("access", "checkout nonsense *=use\n");
  refused(AccessFlags(), "access:1: ");
  refused({"--store=memory:", "--tls-client-ca=" + Path("ca.crt")}, "tls_client_ca needs");
  Write("access", "ops san:ops *=admin\n");
  refused(AccessFlags(), "without tls_client_ca none can be shown");
}

TEST_F(CredentialsTest, BeyondLoopbackOnlyWithCredentialsUnlessToldSo) {
  const auto start = [&](std::vector<std::string> flags) {
    return RunLatchkeyd(With(std::move(flags), "--listen-address=0.0.0.0:0"));
  };
  const Ended open = start({"--store=rocksdb:" + directory_.store()});
  EXPECT_EQ(open.exit_code, 2);
  EXPECT_THAT(open.standard_error, HasSubstr("whoever reaches it may do anything"));
  EXPECT_FALSE(std::filesystem::exists(directory_.store()));
  Mint("a *=use");
  const Ended plain = start(AccessFlags());
  EXPECT_EQ(plain.exit_code, 2);
  EXPECT_THAT(plain.standard_error, HasSubstr("can read the tokens"));
  EXPECT_EQ(start(With(TlsFlags(), "--log-level=info")).exit_code, 2);
  auto flags = With(TlsFlags(), "--access-file=" + Path("access"));
  RunningLatchkeyd guarded(flags, "0.0.0.0:0");
  RunningLatchkeyd told({"--store=memory:", "--insecure-listen"}, "0.0.0.0:0");
}

TEST_F(CredentialsTest, CertificatesAreReplacedWithoutARestart) {
  RunningLatchkeyd server(TlsFlags());
  Client open = Client::Connect(server.address(), Trusting("ca.crt"));
  ASSERT_EQ(Check(open), "OK");
  // Half of a pair changes nothing, however long it stays so.
  const TestCertificate next = other_authority_.Issue({.alternative_names = kLoopback});
  Write("other.crt", other_authority_.pem());
  Write("server.crt", next.pem());
  ASSERT_TRUE(server.AwaitLog("event=reload_refused")) << server.Log();
  EXPECT_THAT(server.Log(), HasSubstr("it is not the key of the certificate"));
  EXPECT_EQ(CheckWith(server, Trusting("ca.crt")), "OK");
  Write("server.key", next.key_pem());
  ASSERT_TRUE(server.AwaitLog("event=certificate_in_force")) << server.Log();
  EXPECT_EQ(CheckWith(server, Trusting("other.crt")), "OK");
  EXPECT_EQ(CheckWith(server, Trusting("ca.crt")), "no answer");
  EXPECT_EQ(Check(open), "OK");  // its connection was never cut
  // An expired one is not taken.
  const TestCertificate late =
      other_authority_.Issue({.alternative_names = kLoopback, .not_after = -60});
  late.WriteTo(Path("server.crt"), Path("server.key"));
  ASSERT_TRUE(server.AwaitLog("expired on")) << server.Log();
  EXPECT_EQ(CheckWith(server, Trusting("other.crt")), "OK");
}

TEST_F(CredentialsTest, CertificatesOfCallersHaveRoles) {
  Write("access",
        "checkout san:spiffe://prod/checkout default=use\n"
        "ops cn:ops default=admin\n");
  RunningLatchkeyd server(With(With(TlsFlags(), "--access-file=" + Path("access")),
                               "--tls-client-ca=" + Path("ca.crt")));
  const auto show = [&](const TestCertificate& certificate) {
    certificate.WriteTo(Path("own.crt"), Path("own.key"));
    ClientOptions options = Trusting("ca.crt");
    options.tls->certificate_file = Path("own.crt");
    options.tls->key_file = Path("own.key");
    return CheckWith(server, options);
  };
  const CertificateOptions checkout = {.common_name = "whoever",
                                       .alternative_names = "URI:spiffe://prod/checkout"};
  EXPECT_EQ(show(authority_.Issue(checkout)), "OK");
  EXPECT_EQ(show(authority_.Issue({.common_name = "ops"})), "OK");
  EXPECT_EQ(show(authority_.Issue({.common_name = "somebody"})), "CREDENTIALS_REQUIRED");
  EXPECT_EQ(CheckWith(server, Trusting("ca.crt")), "CREDENTIALS_REQUIRED");
  EXPECT_EQ(show(other_authority_.Issue(checkout)), "no answer");
  CertificateOptions expired = checkout;
  expired.not_after = -60;
  EXPECT_EQ(show(authority_.Issue(expired)), "no answer");
}

TEST_F(CredentialsTest, TokensAreWithdrawnOnSighup) {
  const std::string stays = Mint("stays default=use");
  const std::string goes = Mint("goes default=use");
  RunningLatchkeyd server(AccessFlags());
  Client first = Client::Connect(server.address(), {.token = stays});
  Client second = Client::Connect(server.address(), {.token = goes});
  EXPECT_EQ(Check(first), "OK");
  EXPECT_EQ(Check(second), "OK");
  EXPECT_EQ(CheckWith(server, {.token = "guess"}), "CREDENTIALS_REQUIRED");
  EXPECT_EQ(CheckWith(server, {}), "CREDENTIALS_REQUIRED");
  // A file that is no good is refused, and who was known stays known.
  const std::string good = access_;
  Write("access", good + "third nonsense\n");
  server.Hangup();
  ASSERT_TRUE(server.AwaitLog("event=reload_refused"));
  EXPECT_THAT(server.Log(), HasSubstr("access:3: "));
  EXPECT_EQ(Check(second), "OK");
  Withdraw("goes");
  server.Hangup();
  ASSERT_TRUE(server.AwaitLog("event=reloaded"));
  EXPECT_EQ(Check(second), "CREDENTIALS_REQUIRED");
  EXPECT_EQ(Check(first), "OK");
}

TEST_F(CredentialsTest, AClientFollowsItsTokenFile) {
  const std::string old_token = Mint("old default=use");
  const std::string new_token = Mint("new default=use");
  for (const TransportKind kind : {TransportKind::kSession, TransportKind::kUnary}) {
    Write("access", access_);
    Write("token", old_token + "\n");
    RunningLatchkeyd server(AccessFlags());
    Client client =
        Client::Connect(server.address(), {.transport = kind, .token_file = Path("token")});
    ASSERT_EQ(Check(client), "OK");
    Write("token", new_token + "\n");
    const std::string both = access_;
    Withdraw("old");
    server.Hangup();
    ASSERT_TRUE(server.AwaitLog("event=reloaded"));
    // Refused with the old one it may be, but nobody hears of that.
    EXPECT_EQ(Check(client), "OK");
    access_ = both;
    std::filesystem::remove(Path("token"));
    EXPECT_EQ(CheckWith(server, {.token_file = Path("token")}), "no answer");
    EXPECT_THAT(last_message_, HasSubstr("token_file " + Path("token") + ": No such file"));
  }
}

TEST_F(CredentialsTest, ATokenIsNotSentInPlaintextBeyondThisMachine) {
  for (const TransportKind kind : {TransportKind::kSession, TransportKind::kUnary}) {
    for (const char* target : {"latchkey.invalid:7420", "10.0.0.5:7420", "dns:///127.example:1",
                               "ipv4:127.0.0.1:1,10.0.0.5:1"}) {
      Client client = Client::Connect(target, {.transport = kind, .token = "secret"});
      EXPECT_EQ(Check(client), "TOKEN_IN_PLAINTEXT") << target;
    }
  }
  Client allowed =
      Client::Connect("latchkey.invalid:7420", {.token = "secret", .token_in_plaintext = true});
  EXPECT_EQ(Check(allowed), "no answer");
}

TEST_F(CredentialsTest, NamespacesChangeOnSighupAndWhatNeedsARestartIsSaid) {
  const auto config = [&](const std::string& text) { Write("latchkey.toml", text); };
  config("partitions = 2\n[namespaces.shop]\nlive_records_max = 7\n");
  RunningLatchkeyd server({"--store=memory:", "--config=" + Path("latchkey.toml")});
  const auto most = [&] {
    grpc::ClientContext context;
    v1::GetServerStatusResponse status;
    EXPECT_TRUE(server.admin().GetServerStatus(&context, {}, &status).ok());
    return status.namespaces(0).name() == "shop" ? status.namespaces(0).live_records_max() : 0;
  };
  EXPECT_EQ(most(), 7u);
  config("partitions = 2\n[namespaces.shop]\nlive_record_max = 8\n");
  server.Hangup();
  ASSERT_TRUE(server.AwaitLog("event=reload_refused"));
  EXPECT_THAT(server.Log(), HasSubstr("latchkey.toml:3: a namespace has no setting"));
  EXPECT_EQ(most(), 7u);
  std::filesystem::remove(Path("latchkey.toml"));
  server.Hangup();
  ASSERT_TRUE(server.AwaitLog("latchkey.toml: "));
  EXPECT_EQ(most(), 7u);
  config(
      "partitions = 3\nlog_level = \"debug\"\n[namespaces.shop]\nlive_records_max = 9\n"
      "new_keys_per_second_max = 5\n");
  server.Hangup();
  ASSERT_TRUE(server.AwaitLog("event=reloaded needs_restart=\"partitions\"")) << server.Log();
  EXPECT_EQ(most(), 9u);
}

TEST_F(CredentialsTest, GrpcurlWithATokenOverTls) {
  const std::string token = Mint("ops *=admin");
  RunningLatchkeyd server(With(TlsFlags(), "--access-file=" + Path("access")));
  const auto run = [&](const std::string& with) {
    const std::string command =
        std::string(LATCHKEY_GRPCURL) + " -cacert " + Path("ca.crt") + " " + with + " " +
        server.address() + " latchkey.v1.AdminService/GetServerStatus >" + Path("said") + " 2>&1";
    const int code = std::system(command.c_str());
    std::ifstream said(Path("said"));
    return std::pair(code, std::string(std::istreambuf_iterator<char>(said), {}));
  };
  const auto known = run("-H 'authorization: Bearer " + token + "'");
  EXPECT_EQ(known.first, 0) << known.second;
  EXPECT_THAT(known.second, HasSubstr("\"serving\": true"));
  EXPECT_THAT(run("").second, HasSubstr("Unauthenticated"));
}

}  // namespace
}  // namespace latchkey
