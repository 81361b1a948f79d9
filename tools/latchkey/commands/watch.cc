#include <algorithm>
#include <cstddef>
#include <memory>
#include <thread>

#include "tools/latchkey/commands/commands.h"
#include "tools/latchkey/durations.h"

namespace latchkey::cli {
namespace {

constexpr std::chrono::milliseconds kFirstPause(100);
constexpr std::chrono::milliseconds kLongestPause(2000);

struct Options {
  std::string prefix;
  std::uint64_t after_revision = 0;
  std::uint64_t count = UINT64_MAX;
};

Table RowOf(const v1::WatchRecordsResponse& response) {
  const v1::Record& record = response.record();
  // Lines come one by one, and should stand below each other all the same.
  constexpr std::size_t kRevisionWidth = 19;
  constexpr std::size_t kStateWidth = 9;
  constexpr std::size_t kKeyWidth = 24;
  constexpr std::size_t kHolderWidth = 20;
  Table table({{"", Align::kRight, kRevisionWidth},
               {"", Align::kLeft, kStateWidth},
               {"", Align::kLeft, kKeyWidth},
               {"", Align::kLeft, kHolderWidth},
               {""}});
  const bool present = response.revision() == 0;
  table.Add({present ? std::string("now") : std::to_string(response.revision()),
             StateCell(record.state()), Printable(record.key()), Printable(record.holder_id()),
             record.has_result() ? Summary(record.result()) : ""});
  return table;
}

// Prints what comes. Counts the changes in `options.count`, and keeps where to resume.
class Watcher {
 public:
  Watcher(Options options, Session& session)
      : options_(std::move(options)), session_(session), service_(session.connection) {}

  int Watch() {
    auto give_up = std::chrono::steady_clock::now() + session_.connection.timeout;
    for (auto pause = kFirstPause;; pause = std::min(2 * pause, kLongestPause)) {
      const bool heard = Stream();
      if (options_.count == 0) return kDone;
      if (heard) {
        give_up = std::chrono::steady_clock::now() + session_.connection.timeout;
        pause = kFirstPause;
      }
      if (!broken_ || std::chrono::steady_clock::now() > give_up) return Fail(error_);
      std::this_thread::sleep_for(pause);
    }
  }

 private:
  // One stream, to its end. True if anything came.
  bool Stream() {
    v1::WatchRecordsRequest request;
    request.set_namespace_(session_.connection.key_namespace);
    request.set_key_prefix(options_.prefix);
    request.set_after_revision(options_.after_revision);
    grpc::ClientContext context;
    const auto reader = service_.admin().WatchRecords(&context, request);
    v1::WatchRecordsResponse response;
    bool heard = false;
    while (options_.count > 0 && reader->Read(&response)) {
      heard = true;
      Take(response);
    }
    if (options_.count == 0) context.TryCancel();
    const grpc::Status status = reader->Finish();
    broken_ = status.ok();
    if (status.ok()) {
      error_ = {.message = session_.connection.address + " has ended the watch"};
    } else {
      error_ = service_.Explain(status, &broken_);
    }
    return heard;
  }

  void Take(const v1::WatchRecordsResponse& response) {
    if (response.revision() > 0) options_.after_revision = response.revision();
    if (response.missed_changes()) {
      Note("changes up to revision " + std::to_string(response.revision()) +
           " were missed: list again");
    }
    if (session_.output.json()) {
      session_.output.Json(response);
    } else if (response.has_record()) {
      session_.output.Lines(RowOf(response));
    }
    if (response.has_record()) --options_.count;
  }

  Options options_;
  Session& session_;
  Service service_;
  Error error_;
  bool broken_ = false;
};

}  // namespace

void AddWatch(Cli& cli) {
  const auto options = std::make_shared<Options>();
  CLI::App& sub =
      cli.Add("watch", "Show records as they change: revision, state, key",
              "  latchkey watch --prefix=order:\n"
              "  latchkey watch --after-revision=1234 --output=json",
              [options](Session& session) { return Watcher(*options, session).Watch(); });
  sub.add_option("--prefix", options->prefix, "only keys that begin so")->type_name("PREFIX");
  sub.add_option("--after-revision", options->after_revision,
                 "changes after this one [0: what there is now, then changes]")
      ->type_name("REVISION");
  sub.add_option("--count", options->count, "end after so many records [never]")
      ->check(CLI::Range(std::uint64_t{1}, UINT64_MAX))
      ->type_name("NUMBER");
}

}  // namespace latchkey::cli
