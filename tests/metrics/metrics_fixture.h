// A server whose metrics are read as Prometheus would, over each store and transport in turn.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "server/metrics/server_metrics.h"
#include "tests/behaviour/behaviour_fixture.h"

namespace latchkey {

// Every sample of the text format, by its name with its labels.
std::map<std::string, double> SamplesOf(const std::vector<prometheus::MetricFamily>& families);

class MetricsTest : public BehaviourTest {
 protected:
  // Has settings for the namespace "shop". The server starts with counts of zero.
  MetricsTest() { StartMeasured(); }
  ~MetricsTest() override { StopServer(); }

  void StartMeasured(const std::function<void(ServerOptions&)>& change = [](ServerOptions&) {});

  std::map<std::string, double> Samples() {
    return SamplesOf(metrics_->Collect(server().ReadGauges()));
  }
  // 0 where there is no such sample.
  double Value(const std::string& sample) {
    const auto samples = Samples();
    const auto found = samples.find(sample);
    return found == samples.end() ? 0 : found->second;
  }
  double Acquires(const std::string& outcome, const std::string& label = "default") {
    return Value("latchkey_acquire_total{namespace=\"" + label + "\",outcome=\"" + outcome + "\"}");
  }
  double Refusals(const std::string& rpc, const std::string& reason) {
    return Value("latchkey_refusals_total{rpc=\"" + rpc + "\",reason=\"" + reason + "\"}");
  }
  double Requests(const std::string& rpc) {
    return Value("latchkey_request_seconds_count{rpc=\"" + rpc + "\"}");
  }
  double Records(const std::string& state, const std::string& label = "default") {
    return Value("latchkey_records{namespace=\"" + label + "\",state=\"" + state + "\"}");
  }
  double OldestAge(const std::string& label = "default") {
    return Value("latchkey_in_doubt_oldest_age_seconds{namespace=\"" + label + "\"}");
  }

 private:
  std::unique_ptr<ServerMetrics> metrics_;
};

}  // namespace latchkey
