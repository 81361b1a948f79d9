#include "tools/latchkey/key_change.h"

#include <charconv>

namespace latchkey::cli {

void AddKeyChange(CLI::App& sub, KeyChange& change) {
  AddKey(sub, change.key);
  sub.add_option("--token,--expected-token", change.token,
                 "the record's fencing token, as `latchkey get` shows it, so that nothing is done "
                 "to what has changed meanwhile; \"current\" takes whatever it is now")
      ->required()
      ->type_name("NUMBER");
  AddAudit(sub, change.audit);
}

Answer<std::uint64_t> ExpectedToken(Service& service, const std::string& key_namespace,
                                    const KeyChange& change) {
  const std::string& token = change.token;
  if (token != "current") {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), number);
    if (error == std::errc() && end == token.data() + token.size() && number > 0) return number;
    return Error{
        .kind = Error::Kind::kRefused,
        .reason = "EXPECTED_FENCING_TOKEN_REQUIRED",
        .message = "--token: \"" + token + "\" is neither a fencing token nor \"current\""};
  }
  v1::GetRecordRequest request;
  request.set_namespace_(key_namespace);
  request.set_key(change.key);
  auto answer = service.Call(service.admin(), &v1::AdminService::Stub::GetRecord, request);
  if (!answer.ok()) return answer.error();
  if (answer->record().fencing_token() == 0) {
    return Error{.kind = Error::Kind::kRefused,
                 .reason = "KEY_UNKNOWN",
                 .message = "there is no record of " + change.key};
  }
  return answer->record().fencing_token();
}

}  // namespace latchkey::cli
