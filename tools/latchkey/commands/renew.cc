#include <memory>

#include "tools/latchkey/commands/commands.h"
#include "tools/latchkey/durations.h"

namespace latchkey::cli {
namespace {

struct Options {
  std::string key;
  std::uint64_t token = 0;
  std::optional<std::chrono::nanoseconds> lease;
  bool effect_started = false;
  std::optional<std::string> checkpoint;
};

int Renew(const Options& options, Session& session) {
  Service service(session.connection);
  v1::RenewLeaseRequest request;
  request.set_namespace_(session.connection.key_namespace);
  request.set_key(options.key);
  request.set_fencing_token(options.token);
  request.set_effect_started(options.effect_started);
  if (options.lease) *request.mutable_lease_duration() = ToProto(*options.lease);
  if (options.checkpoint) request.set_checkpoint(*options.checkpoint);
  auto answer =
      service.Call(service.coordination(), &v1::CoordinationService::Stub::RenewLease, request);
  if (!answer.ok()) return Fail(answer.error());
  if (session.output.json()) {
    session.output.Json(*answer);
  } else {
    session.output.Text("lease left  " + FormatDuration(FromProto(answer->lease_remaining())) +
                        "\n");
  }
  return kDone;
}

}  // namespace

void AddRenew(Cli& cli) {
  const auto options = std::make_shared<Options>();
  CLI::App& sub = cli.Add("renew", "Extend a lease; say on the way how far the work is",
                          "  latchkey renew order:123 --token=42 --checkpoint=\"page 7\"",
                          [options](Session& session) { return Renew(*options, session); });
  AddKey(sub, options->key);
  AddToken(sub, options->token);
  AddDuration(sub, "--lease", options->lease, "the new length from now [as granted]");
  sub.add_flag("--effect-started", options->effect_started,
               "mark that the effect may begin now: from here on a lapse is doubt");
  sub.add_option("--checkpoint", options->checkpoint, "handed to the next holder; up to 4 KiB")
      ->type_name("TEXT");
}

}  // namespace latchkey::cli
