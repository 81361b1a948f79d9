#include "server/service/server_tls.h"

#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpcpp/security/server_credentials.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

namespace latchkey {
namespace {

using Bio = std::unique_ptr<BIO, decltype(&BIO_free_all)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

absl::Status Wrong(const std::string& setting, const std::string& path, const std::string& what) {
  return absl::InvalidArgumentError(setting + " " + path + ": " + what);
}

absl::StatusOr<std::string> ReadWhole(const std::string& setting, const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file.good() || text.str().empty()) {
    return Wrong(setting, path, errno != 0 ? std::strerror(errno) : "there is nothing in it");
  }
  return text.str();
}

Bio Open(const std::string& pem) {
  return {BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free_all};
}

Certificate FirstCertificate(const std::string& pem) {
  const Bio bio = Open(pem);
  Certificate first(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), X509_free);
  ERR_clear_error();
  return first;
}

// Never asks at the terminal.
int NoPassword(char*, int, int, void*) { return -1; }

Key ReadKey(const std::string& pem) {
  const Bio bio = Open(pem);
  Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassword, nullptr), EVP_PKEY_free);
  ERR_clear_error();
  return key;
}

std::string Words(const ASN1_TIME* time) {
  const Bio bio(BIO_new(BIO_s_mem()), BIO_free_all);
  ASN1_TIME_print(bio.get(), time);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

absl::Status CheckTimes(const TlsFiles& files, const X509& certificate, WallTime now) {
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  auto at = static_cast<std::time_t>(seconds);
  if (X509_cmp_time(X509_get0_notAfter(&certificate), &at) <= 0) {
    return Wrong("tls_certificate", files.certificate,
                 "expired on " + Words(X509_get0_notAfter(&certificate)));
  }
  if (X509_cmp_time(X509_get0_notBefore(&certificate), &at) > 0) {
    return Wrong("tls_certificate", files.certificate,
                 "not valid before " + Words(X509_get0_notBefore(&certificate)));
  }
  return absl::OkStatus();
}

}  // namespace

// gRPC asks for a newer certificate at every handshake, and goes on with what it has if there is
// none or if it cannot use it. The C++ API offers that for files only, which it reads by itself: a
// pair that is half replaced would then refuse every connection until it is whole.
class ServerTls::Credentials final : public grpc::ServerCredentials {
 public:
  explicit Credentials(ServerTls& tls) : tls_(tls) {
    const auto ask = tls.files_.client_ca.empty() ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                                                  : GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY;
    credentials_ = grpc_ssl_server_credentials_create_with_options(
        grpc_ssl_server_credentials_create_options_using_config_fetcher(ask, Fetch, this));
  }
  ~Credentials() override { grpc_server_credentials_release(credentials_); }

  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {}

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  static grpc_ssl_certificate_config_reload_status Fetch(
      void* self, grpc_ssl_server_certificate_config** config) {
    return static_cast<Credentials*>(self)->Fetch(config);
  }
  grpc_ssl_certificate_config_reload_status Fetch(grpc_ssl_server_certificate_config** config) {
    MutexLock lock(tls_.mutex_);
    if (fetched_ == tls_.version_) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    fetched_ = tls_.version_;
    const Pem pem = tls_.pem_;
    const grpc_ssl_pem_key_cert_pair pair = {pem.key.c_str(), pem.certificate.c_str()};
    // Without an authority gRPC 1.51 ends the process, also where it asks for no certificates and
    // so uses none.
    const std::string& authority = pem.client_ca.empty() ? pem.certificate : pem.client_ca;
    *config = grpc_ssl_server_certificate_config_create(authority.c_str(), &pair, 1);
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
  }

  ServerTls& tls_;
  grpc_server_credentials* credentials_ = nullptr;
  std::uint64_t fetched_ = 0;  // guarded by the mutex of `tls_`
};

absl::StatusOr<std::unique_ptr<ServerTls>> ServerTls::Load(TlsFiles files, Clock& clock) {
  std::unique_ptr<ServerTls> tls(new ServerTls(std::move(files), clock));
  if (absl::Status loaded = tls->Reload(); !loaded.ok()) return loaded;
  return tls;
}

absl::Status ServerTls::Reload() {
  // Before the files are read: a change that comes meanwhile is seen the next time.
  std::string fingerprint = Fingerprint();
  absl::StatusOr<Pem> read = Read();
  MutexLock lock(mutex_);
  fingerprint_ = std::move(fingerprint);
  if (!read.ok()) return read.status();
  pem_ = *std::move(read);
  ++version_;
  return absl::OkStatus();
}

bool ServerTls::FilesChanged() {
  const std::string now = Fingerprint();
  MutexLock lock(mutex_);
  return now != fingerprint_;
}

std::string ServerTls::valid_until() {
  MutexLock lock(mutex_);
  return pem_.valid_until;
}

std::shared_ptr<grpc::ServerCredentials> ServerTls::MakeCredentials() {
  return std::make_shared<Credentials>(*this);
}

absl::StatusOr<ServerTls::Pem> ServerTls::Read() const {
  Pem pem;
  auto certificate = ReadWhole("tls_certificate", files_.certificate);
  if (!certificate.ok()) return certificate.status();
  pem.certificate = *std::move(certificate);
  auto key = ReadWhole("tls_key", files_.key);
  if (!key.ok()) return key.status();
  pem.key = *std::move(key);
  const Certificate own = FirstCertificate(pem.certificate);
  if (own == nullptr) {
    return Wrong("tls_certificate", files_.certificate, "there is no PEM certificate in it");
  }
  const Key own_key = ReadKey(pem.key);
  if (own_key == nullptr) {
    return Wrong("tls_key", files_.key, "there is no PEM private key without a password in it");
  }
  if (X509_check_private_key(own.get(), own_key.get()) != 1) {
    ERR_clear_error();
    return Wrong("tls_key", files_.key,
                 "it is not the key of the certificate " + files_.certificate);
  }
  if (auto valid = CheckTimes(files_, *own, clock_.Wall()); !valid.ok()) return valid;
  pem.valid_until = Words(X509_get0_notAfter(own.get()));
  if (files_.client_ca.empty()) return pem;
  auto client_ca = ReadWhole("tls_client_ca", files_.client_ca);
  if (!client_ca.ok()) return client_ca.status();
  pem.client_ca = *std::move(client_ca);
  if (FirstCertificate(pem.client_ca) == nullptr) {
    return Wrong("tls_client_ca", files_.client_ca, "there is no PEM certificate in it");
  }
  return pem;
}

std::string ServerTls::Fingerprint() const {
  std::string all;
  for (const std::string* path : {&files_.certificate, &files_.key, &files_.client_ca}) {
    struct stat file = {};
    if (path->empty() || ::stat(path->c_str(), &file) != 0) {
      all += "-;";
      continue;
    }
    all += std::to_string(file.st_ino) + "," + std::to_string(file.st_size) + "," +
           std::to_string(file.st_mtim.tv_sec) + "." + std::to_string(file.st_mtim.tv_nsec) + ";";
  }
  return all;
}

}  // namespace latchkey
