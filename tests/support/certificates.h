// Certificates for tests, good and bad, made by OpenSSL's library.
#pragma once

#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

namespace latchkey {

inline constexpr long kHour = 3600;

struct CertificateOptions {
  std::string common_name = "test";
  // As in OpenSSL's configuration: "IP:127.0.0.1,URI:spiffe://shop/checkout". Empty: none.
  std::string alternative_names = {};
  // Seconds from now.
  long not_before = -kHour;
  long not_after = kHour;
};

// A certificate and its key. An authority can issue others.
class TestCertificate {
 public:
  static TestCertificate MakeAuthority(const std::string& name) {
    TestCertificate made({.common_name = name}, nullptr);
    return made;
  }
  TestCertificate Issue(const CertificateOptions& options) const {
    return TestCertificate(options, this);
  }

  std::string pem() const {
    return Written([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate_.get()); });
  }
  std::string key_pem() const {
    return Written([&](BIO* bio) {
      return PEM_write_bio_PrivateKey(bio, key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
    });
  }

  void WriteTo(const std::string& certificate_file, const std::string& key_file) const {
    std::ofstream(certificate_file) << pem();
    std::ofstream(key_file) << key_pem();
  }

 private:
  TestCertificate(const CertificateOptions& options, const TestCertificate* issuer)
      : key_(EVP_EC_gen("P-256"), EVP_PKEY_free), certificate_(X509_new(), X509_free) {
    static long serial = 0;
    X509* const x509 = certificate_.get();
    X509_set_version(x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(x509), options.not_before);
    X509_gmtime_adj(X509_getm_notAfter(x509), options.not_after);
    X509_set_pubkey(x509, key_.get());
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(options.common_name.c_str()),
                               -1, -1, 0);
    const X509* signer = issuer == nullptr ? x509 : issuer->certificate_.get();
    X509_set_issuer_name(x509, X509_get_subject_name(signer));
    if (issuer == nullptr) AddExtension(NID_basic_constraints, "critical,CA:TRUE");
    if (!options.alternative_names.empty()) {
      AddExtension(NID_subject_alt_name, options.alternative_names);
    }
    if (X509_sign(x509, issuer == nullptr ? key_.get() : issuer->key_.get(), EVP_sha256()) == 0) {
      std::abort();
    }
  }

  void AddExtension(int kind, const std::string& value) {
    X509_EXTENSION* made = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str());
    if (made == nullptr) std::abort();
    X509_add_ext(certificate_.get(), made, -1);
    X509_EXTENSION_free(made);
  }

  template <class Write>
  static std::string Written(const Write& write) {
    const std::unique_ptr<BIO, decltype(&BIO_free_all)> bio(BIO_new(BIO_s_mem()), BIO_free_all);
    if (write(bio.get()) != 1) std::abort();
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &text);
    return {text, static_cast<std::size_t>(size)};
  }

  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_;
  std::unique_ptr<X509, decltype(&X509_free)> certificate_;
};

}  // namespace latchkey
