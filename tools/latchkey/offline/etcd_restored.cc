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
  const auto [before, now] = *restored;
  session.output.Text(session.output.json() ? "{" + TokensMovedJson(before, now) + "}\n"
                                            : TokensMovedText(before, now));
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
  AddTokenFloorOption(sub, options->token_floor);
}

}  // namespace latchkey::cli
