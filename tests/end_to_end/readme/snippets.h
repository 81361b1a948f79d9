// What readers of the documents have already: an order, a provider, a client. For snippets.py.
#pragma once

#undef NDEBUG
#include <cassert>
#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "latchkey/client.h"
#include "latchkey/recovery.h"
#include "latchkey/testing/fake_service.h"
#include "latchkey/testing/in_process_server.h"

using std::chrono_literals::operator""min;
using std::chrono_literals::operator""s;

struct Order {
  std::string id = "123";
};

struct Charge {
  bool accepted = true;
  bool declined = false;
  std::string id = "ch_1";
  std::string code = {};
};

struct Provider {
  ::Charge Charge(const Order&, const std::string&) { return {}; }
  void ChargeAsync(const Order&, const std::string&, const std::function<void(::Charge)>& done) {
    done({});
  }
};

// The code under test of somebody's test.
inline void PayOrder(latchkey::Client client, const std::string& order) {
  const auto find = [](latchkey::Attempt&) {
    return latchkey::Succeeded({.provider_reference = "ch_1"});
  };
  (void)client.RunOnce("order:" + order, {}, find, find);
}

// A snippet sees these.
struct Snippet {
  latchkey::testing::InProcessServer server;
  latchkey::Client client = server.Connect();
  Order order;
  Provider provider;
  std::string key = "order:" + order.id;
  std::string digest = "25.00";
  latchkey::AcquireOptions options;
  latchkey::Work charge = [](latchkey::Attempt&) { return latchkey::Succeeded({}); };
  latchkey::Ask find = [](latchkey::Attempt&) { return std::nullopt; };
  latchkey::AsyncWork create = [](const std::shared_ptr<latchkey::Attempt>&,
                                  const latchkey::Callback<latchkey::Outcome>& done) {
    done(latchkey::Succeeded({}));
  };
  latchkey::AsyncWork recover = create;
};
