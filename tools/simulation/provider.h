// A payment provider, as it is outside of any database: it charges, it may lose the request or its
// own answer, and it deduplicates by idempotency key for a while, or not at all.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "tools/simulation/host.h"
#include "tools/simulation/network.h"

namespace latchkey::simulation {

class Provider {
 public:
  enum class Kind {
    kDeduplicates,  // for `window` from the first request on; can be asked, too
    kCanBeAsked,
    kNeither,
  };

  struct Charge {
    std::string reference;  // empty: declined
    bool declined() const { return reference.empty(); }
  };
  // What it knows of a key: nothing, or what became of it. Not called where the answer is lost.
  using Answer = std::function<void(std::optional<Charge>)>;

  // `on_second_effect` hears of keys that were charged twice.
  Provider(Network& network, Kind kind, Duration window,
           std::function<void(const std::string& key)> on_second_effect)
      : network_(network),
        kind_(kind),
        window_(window),
        on_second_effect_(std::move(on_second_effect)) {}

  Kind kind() const { return kind_; }
  Duration window() const { return window_; }

  // The request acts within `timeout` of now, or never.
  void Send(Host& client, const std::string& key, Duration timeout, Answer answer);
  void Ask(Host& client, const std::string& key, Answer answer);

  // The truth.
  std::size_t effects(const std::string& key) const;
  std::string reference(const std::string& key) const;
  // Whether a request may still act.
  bool expects(const std::string& key) const;
  std::uint64_t charges() const { return charges_; }
  std::uint64_t deduplicated() const { return deduplicated_; }

 private:
  struct Account {
    std::vector<std::string> references;
    bool declined = false;
    Duration first_at = Duration::min();
    int under_way = 0;
  };

  Charge Act(const std::string& key);

  Network& network_;
  const Kind kind_;
  const Duration window_;
  const std::function<void(const std::string& key)> on_second_effect_;
  std::map<std::string, Account> accounts_;
  std::uint64_t charges_ = 0;
  std::uint64_t deduplicated_ = 0;
};

}  // namespace latchkey::simulation
