// The thread of a driver whose connections are waited for by libevent.
#pragma once

#include <functional>
#include <thread>

#include "tools/load_generator/closed_loop.h"

struct event;
struct event_base;

namespace latchkey::bench {

// Derive from it, and give base() to what is to be waited for; all of that is called back on one
// thread. What uses base() must be gone before this is destroyed.
class EventDriver : public Driver {
 public:
  EventDriver();
  EventDriver(const EventDriver&) = delete;
  EventDriver& operator=(const EventDriver&) = delete;
  ~EventDriver() override;
  void Start(std::function<void()> begin) override;
  void Stop() override;

 protected:
  event_base* base() const { return base_; }

 private:
  event_base* const base_;
  event* const stop_;
  std::thread thread_;
};

}  // namespace latchkey::bench
