#include "server/main/reload.h"

#include <set>
#include <string>
#include <utility>
#include <variant>

#include "server/main/access_file.h"
#include "server/main/event_log.h"
#include "server/main/one_line.h"
#include <spdlog/spdlog.h>

namespace latchkey {
namespace {

void LogRefused(const absl::Status& why) {
  spdlog::error("event=reload_refused why=\"{}\" hint=\"what was in force stays\"",
                OnOneLine(std::string(why.message())));
}

// The settings that were changed and are not taken over.
std::string NeedRestart(const std::map<std::string, std::string>& before,
                        const std::map<std::string, std::string>& now) {
  std::set<std::string> names;
  for (const auto& [name, value] : before) names.insert(name);
  for (const auto& [name, value] : now) names.insert(name);
  std::string changed;
  for (const std::string& name : names) {
    const auto was = before.find(name);
    const auto is = now.find(name);
    const bool same = was != before.end() && is != now.end() && was->second == is->second;
    if (!same && !IsReloadable(name)) changed += (changed.empty() ? "" : ",") + name;
  }
  return changed;
}

}  // namespace

void Reload::Everything() {
  std::string needs_restart;
  if (absl::Status applied = Apply(&needs_restart); !applied.ok()) return LogRefused(applied);
  spdlog::info("event=reloaded needs_restart=\"{}\"", needs_restart);
}

// The certificates come last of what can be refused: they are checked and taken in one step.
absl::Status Reload::Apply(std::string* needs_restart) {
  auto read = ReadSettings(argc_, argv_);
  if (!read.ok()) return read.status();
  const auto* settings = std::get_if<Settings>(&*read);
  if (settings == nullptr) return absl::InternalError("the command line asks for no server");
  std::shared_ptr<const AccessRules> access;
  if (!started_with_.access_file.empty()) {
    auto rules = ReadAccessFile(started_with_.access_file);
    if (!rules.ok()) return rules.status();
    access = *std::move(rules);
  }
  if (tls_ != nullptr) {
    if (absl::Status reloaded = tls_->Reload(); !reloaded.ok()) return reloaded;
    spdlog::info("event=certificate_in_force valid_until=\"{}\"", tls_->valid_until());
  }
  if (auto replaced = server_.ReplaceNamespaces(settings->server.namespaces); !replaced.ok()) {
    return replaced;
  }
  if (access != nullptr) server_.ReplaceAccess(std::move(access));
  SetLogLevel(settings->log_level);
  *needs_restart = NeedRestart(started_with_.given, settings->given);
  return absl::OkStatus();
}

void Reload::LookAtCertificates() {
  if (tls_ == nullptr) return;
  const bool waited = std::exchange(changed_, tls_->FilesChanged());
  if (!waited || !changed_) return;
  changed_ = false;
  if (absl::Status reloaded = tls_->Reload(); !reloaded.ok()) return LogRefused(reloaded);
  spdlog::info("event=certificate_in_force valid_until=\"{}\"", tls_->valid_until());
}

}  // namespace latchkey
