#include "server/metrics/monitoring.h"

#include <prometheus/text_serializer.h>

#include <sstream>
#include <utility>

#include "server/service/server.h"

namespace latchkey {

absl::StatusOr<std::unique_ptr<Monitoring>> Monitoring::Start(const std::string& address,
                                                              const ServerMetrics& metrics) {
  std::unique_ptr<Monitoring> monitoring(new Monitoring(metrics));
  auto listener = HttpListener::Start(
      address, [self = monitoring.get()](const std::string& path) { return self->Answer(path); });
  if (!listener.ok()) return listener.status();
  monitoring->listener_ = *std::move(listener);
  return monitoring;
}

void Monitoring::Watch(const Server& server) {
  MutexLock lock(mutex_);
  server_ = &server;
}

const Server* Monitoring::server() const {
  MutexLock lock(mutex_);
  return server_;
}

HttpAnswer Monitoring::Answer(const std::string& path) const {
  if (path == "/metrics") return Metrics();
  if (path == "/healthz") return {200, "ok\n"};
  if (path == "/readyz") return Ready();
  return {404, "there is /metrics, /healthz and /readyz\n"};
}

HttpAnswer Monitoring::Ready() const {
  const Server* watched = server();
  if (watched == nullptr) return {503, "not ready: starting\n"};
  if (watched->failed()) return {503, "not ready: the store has failed\n"};
  if (!watched->serving()) return {503, "not ready: shutting down\n"};
  return {200, "ready\n"};
}

HttpAnswer Monitoring::Metrics() const {
  const Server* watched = server();
  if (watched == nullptr) return {503, "starting\n"};
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, metrics_.Collect(watched->ReadGauges()));
  return {200, std::move(text).str(), "text/plain; version=0.0.4; charset=utf-8"};
}

}  // namespace latchkey
