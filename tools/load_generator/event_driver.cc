#include "tools/load_generator/event_driver.h"

#include <event2/event.h>
#include <event2/thread.h>

#include <utility>

namespace latchkey::bench {
namespace {

event_base* MakeBase() {
  evthread_use_pthreads();  // so that another thread can activate an event
  event_config* config = event_config_new();
  // What is added and removed in one turn of the loop costs no call of the kernel.
  event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
  event_base* base = event_base_new_with_config(config);
  event_config_free(config);
  return base;
}

void BreakLoop(evutil_socket_t, short, void* base) {
  event_base_loopbreak(static_cast<event_base*>(base));
}

}  // namespace

EventDriver::EventDriver()
    : base_(MakeBase()), stop_(event_new(base_, -1, EV_PERSIST, BreakLoop, base_)) {}

EventDriver::~EventDriver() {
  event_free(stop_);
  event_base_free(base_);
}

void EventDriver::Start(std::function<void()> begin) {
  thread_ = std::thread([this, first = std::move(begin)] {
    first();
    event_base_loop(base_, EVLOOP_NO_EXIT_ON_EMPTY);
  });
}

// An event, as a loop that does not run yet forgets that it was broken.
void EventDriver::Stop() {
  event_active(stop_, EV_TIMEOUT, 0);
  thread_.join();
}

}  // namespace latchkey::bench
