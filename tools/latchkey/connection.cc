#include "tools/latchkey/connection.h"

#include <pwd.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <utility>

namespace latchkey::cli {
namespace {

bool Protected(const ConnectionOptions& options) {
  return options.tls || !options.tls_ca.empty() || !options.tls_cert.empty() ||
         !options.tls_key.empty() || !options.tls_server_name.empty();
}

}  // namespace

std::string WrongWith(const ConnectionOptions& options) {
  if (options.address.empty()) return "--address is empty; say HOST:PORT";
  if (options.tls_cert.empty() != options.tls_key.empty()) {
    return "--tls-cert and --tls-key go together";
  }
  if (!options.token.empty() && !options.token_file.empty()) {
    return "LATCHKEY_TOKEN and --token-file are both given; one is enough";
  }
  return "";
}

ClientOptions ToClientOptions(const ConnectionOptions& options) {
  ClientOptions client;
  if (!options.key_namespace.empty()) client.key_namespace = options.key_namespace;
  client.token = options.token;
  client.token_file = options.token_file;
  if (Protected(options)) {
    client.tls = TlsOptions{.ca_file = options.tls_ca,
                            .certificate_file = options.tls_cert,
                            .key_file = options.tls_key,
                            .server_name = options.tls_server_name};
  }
  return client;
}

Client MakeClient(const ConnectionOptions& options, const std::string& holder_id) {
  ClientOptions client = ToClientOptions(options);
  client.holder_id = holder_id;
  return Client::Connect(options.address, std::move(client));
}

std::string UserAtHost() {
  std::array<char, 65> host{};
  if (gethostname(host.data(), host.size() - 1) != 0) host[0] = '\0';
  const passwd* user = getpwuid(geteuid());
  std::string name = user != nullptr ? std::string(user->pw_name) : std::to_string(geteuid());
  name += std::string("@") + host.data();
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '@' && c != '.' && c != '_') {
      c = '-';
    }
  }
  return name.substr(0, 100);
}

}  // namespace latchkey::cli
