// The server's side of TLS, with certificates that are replaced while it serves.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/mutex.h"

namespace grpc {
class ServerCredentials;
}

namespace latchkey {

// PEM files.
struct TlsFiles {
  std::string certificate;  // and the chain to its authority, if there is more than one step
  std::string key;
  std::string client_ca;  // whose certificates callers may show; empty: none are asked for
};

// Thread-safe. To outlive the gRPC server that it is used by.
class ServerTls {
 public:
  // Reads and checks the files. INVALID_ARGUMENT with one line that names the file: it cannot be
  // read, is no PEM, is expired or not valid yet, or the key is another certificate's. `clock`
  // outlives it.
  static absl::StatusOr<std::unique_ptr<ServerTls>> Load(TlsFiles files, Clock& clock);

  // Whether the files are others than those that were read last. Asks for their status only.
  bool FilesChanged();
  // Reads and checks them again, and uses them for every connection that comes from now on. With an
  // error nothing changes.
  absl::Status Reload();
  // Until when the certificate in force is valid, in words.
  std::string valid_until();

  // A caller may come without a certificate, whatever the files: who may do what is decided call by
  // call. One that it shows must be good.
  std::shared_ptr<grpc::ServerCredentials> MakeCredentials();

 private:
  class Credentials;
  struct Pem {
    std::string certificate;
    std::string key;
    std::string client_ca;
    std::string valid_until;
  };
  ServerTls(TlsFiles files, Clock& clock) : files_(std::move(files)), clock_(clock) {}
  absl::StatusOr<Pem> Read() const;
  // Changes whenever one of the files does.
  std::string Fingerprint() const;

  const TlsFiles files_;
  Clock& clock_;
  Mutex mutex_;
  Pem pem_ GUARDED_BY(mutex_);
  std::uint64_t version_ GUARDED_BY(mutex_) = 0;
  std::string fingerprint_ GUARDED_BY(mutex_);
};

}  // namespace latchkey
