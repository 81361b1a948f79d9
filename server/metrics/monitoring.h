// What others look at to see how a server does: /metrics, /healthz and /readyz, on a listener of
// their own.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "server/metrics/http_listener.h"
#include "server/metrics/server_metrics.h"

namespace latchkey {

class Server;

// Thread-safe. /healthz answers 200 for as long as it exists; /readyz while the server serves, 503
// before and after.
class Monitoring {
 public:
  // Listens on HOST:PORT. `metrics` outlives it.
  static absl::StatusOr<std::unique_ptr<Monitoring>> Start(const std::string& address,
                                                           const ServerMetrics& metrics);

  // From now on it speaks of this server, which outlives it.
  void Watch(const Server& server);

  // HOST:PORT, the port that it really has.
  const std::string& address() const { return listener_->address(); }

 private:
  explicit Monitoring(const ServerMetrics& metrics) : metrics_(metrics) {}
  HttpAnswer Answer(const std::string& path) const;
  HttpAnswer Ready() const;
  HttpAnswer Metrics() const;
  const Server* server() const;

  const ServerMetrics& metrics_;
  mutable Mutex mutex_;
  const Server* server_ GUARDED_BY(mutex_) = nullptr;
  // Last, so that nobody asks any more when the rest goes.
  std::unique_ptr<HttpListener> listener_;
};

}  // namespace latchkey
