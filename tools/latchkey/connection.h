// The way to the service: what the options for it are, and what is made of them.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "latchkey/client.h"

namespace latchkey::cli {

// As given on the command line or in the environment.
struct ConnectionOptions {
  std::string address = "localhost:7420";
  std::string key_namespace = {};
  // For how long to go on asking while the service does not answer.
  std::chrono::nanoseconds timeout = std::chrono::seconds(15);
  // A bearer token, or the file where it is. Both empty: none.
  std::string token = {};
  std::string token_file = {};
  // Over TLS where any of these is set.
  bool tls = false;
  std::string tls_ca = {};
  std::string tls_cert = {};
  std::string tls_key = {};
  std::string tls_server_name = {};
};

// What can be said of the options without asking anybody; empty if they are good.
std::string WrongWith(const ConnectionOptions& options);

// The same for the client library, which knows how a connection is protected.
ClientOptions ToClientOptions(const ConnectionOptions& options);
// `holder_id` is who asks, for people.
Client MakeClient(const ConnectionOptions& options, const std::string& holder_id);

// user@host, in the characters that holder_id and actor may have.
std::string UserAtHost();

}  // namespace latchkey::cli
