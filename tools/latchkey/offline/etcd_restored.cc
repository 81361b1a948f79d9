#include <memory>

#include "base/clock.h"
#include "storage/etcd/etcd_client.h"
#include "storage/etcd/store_format.h"
#include "tools/latchkey/commands/commands.h"
#include "tools/latchkey/offline/store.h"

namespace latchkey::cli {
namespace {

struct Options {
  std::string store;
  storage::EtcdFiles etcd;
  std::uint64_t token_floor = 0;
};

int MarkAsRestored(const Options& options, Session& session) {
  auto etcd = EtcdOptionsOf(options.store, options.etcd);
  if (!etcd.ok()) return FailOffline(etcd.status());
  SystemClock clock;
  storage::EtcdClient client(*std::move(etcd), clock);
  const storage::KeyLayout layout(client.options().prefix);
  const auto restored = storage::MarkAsRestored(client, layout, clock.Wall(), options.token_floor);
  if (!restored.ok()) return FailOffline(restored.status());
  const std::string before = std::to_string(restored->token_before);
  const std::string now = std::to_string(restored->token_now);
  const std::string by = std::to_string(restored->token_now - restored->token_before);
  if (session.output.json()) {
    session.output.Text("{\"token_before\":\"" + before + "\",\"token_now\":\"" + now +
                        "\",\"tokens_moved_by\":\"" + by + "\"}\n");
    return kDone;
  }
  session.output.Text(
      "fencing tokens are moved on by " + by + ", from " + before + " to " + now +
      "\nkeys without a record are in doubt until you run latchkey clear-restore-doubt\n");
  return kDone;
}

}  // namespace

void AddEtcdRestored(Cli& cli) {
  const auto options = std::make_shared<Options>();
  CLI::App& sub =
      cli.Add("etcd-restored",
              "Say that etcd was restored from a snapshot, before any server runs on it again",
              "  latchkey etcd-restored --store=etcd://10.0.0.1:2379,10.0.0.2:2379,10.0.0.3:2379",
              [options](Session& session) { return MarkAsRestored(*options, session); });
  sub.add_option("--store", options->store, "the store, as in the server's settings")
      ->type_name("etcd://HOST:PORT,...")
      ->required();
  AddEtcdOptions(sub, options->etcd);
  sub.add_option("--token-floor", options->token_floor,
                 "begin fencing tokens above this one, too, if you know of so high a one")
      ->type_name("NUMBER");
}

}  // namespace latchkey::cli
