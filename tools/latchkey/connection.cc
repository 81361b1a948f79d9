#include "tools/latchkey/connection.h"

#include <pwd.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <utility>

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

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
  if (Protected(options) || !options.token.empty() || !options.token_file.empty()) {
    return "TLS and tokens are not there yet";
  }
  return "";
}

std::shared_ptr<grpc::Channel> MakeChannel(const ConnectionOptions& options) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  arguments.SetInt(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, 16 << 20);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5'000);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  return grpc::CreateCustomChannel(options.address, grpc::InsecureChannelCredentials(), arguments);
}

Client MakeClient(const ConnectionOptions& options, const std::string& holder_id) {
  ClientOptions client;
  if (!options.key_namespace.empty()) client.key_namespace = options.key_namespace;
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
