#include "tests/metrics/metrics_fixture.h"

#include <prometheus/text_serializer.h>

#include <sstream>

namespace latchkey {

std::map<std::string, double> SamplesOf(const std::vector<prometheus::MetricFamily>& families) {
  std::stringstream text;
  prometheus::TextSerializer().Serialize(text, families);
  std::map<std::string, double> samples;
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with('#')) continue;
    const auto space = line.rfind(' ');
    const bool added =
        samples.emplace(line.substr(0, space), std::stod(line.substr(space + 1))).second;
    EXPECT_TRUE(added) << "twice: " << line;
  }
  return samples;
}

void MetricsTest::StartMeasured(const std::function<void(ServerOptions&)>& change) {
  StopServer();
  ServerOptions options;
  options.namespaces = Namespaces(NamespaceSettings(), {{"shop", NamespaceSettings()}});
  change(options);
  metrics_ = std::make_unique<ServerMetrics>(options.namespaces);
  StartServer([&](ServerOptions& server_options) {
    const std::string store_name = server_options.store_name;
    server_options = options;
    server_options.store_name = store_name;
    server_options.meter = metrics_.get();
  });
}

}  // namespace latchkey
