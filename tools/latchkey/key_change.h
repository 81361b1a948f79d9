// What an operator asks to be done to one key: which, at which token, by whom and why.
#pragma once

#include <cstdint>
#include <string>

#include "tools/latchkey/cli.h"

namespace latchkey::cli {

struct KeyChange {
  std::string key = {};
  // The one that the record must have: a number, or "current" for whatever it has now.
  std::string token = {};
  AuditOptions audit = {};
};

// --key, --token, --reason and --actor.
void AddKeyChange(CLI::App& sub, KeyChange& change);

// The number that is meant by its token. Asks the service for "current".
Answer<std::uint64_t> ExpectedToken(Service& service, const std::string& key_namespace,
                                    const KeyChange& change);

// The request for it, with the token looked up if that was asked for.
template <class Request>
Answer<Request> RequestFor(Service& service, const Session& session, const KeyChange& change) {
  const auto token = ExpectedToken(service, session.connection.key_namespace, change);
  if (!token.ok()) return token.error();
  Request request;
  request.set_namespace_(session.connection.key_namespace);
  request.set_key(change.key);
  request.set_expected_fencing_token(*token);
  request.set_actor(change.audit.actor);
  request.set_reason(change.audit.reason);
  return request;
}

}  // namespace latchkey::cli
