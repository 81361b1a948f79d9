// What a connection that closes still owes the service: an end for the attempts that wait or may
// hold, and a moment for the outcomes and releases on their way.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "latchkey/v1/coordination.pb.h"
#include "runtime.h"

namespace latchkey::inline client::internal {

// Without it a grant that is decided while its caller goes would be nobody's until its lease ends,
// and the key in doubt from then on, although nothing was run. Thread-safe.
class Farewell {
 public:
  Farewell();

  // Closing waits while copies live. Null: it does not wait any more.
  using Pass = std::shared_ptr<void>;
  Pass Begin() const { return open_passes_.lock(); }

  // An attempt is sent for the first time; `ending` is the Release by its attempt_id.
  void Add(const std::shared_ptr<const v1::ReleaseRequest>& ending);
  // It is answered. The pass covers what the answer leads to.
  Pass Remove(const v1::ReleaseRequest& ending);

  // Sends each ending by `release`, which is to drop the pass when it is answered; returns when all
  // passes have gone, or after `bound`. The second call does nothing.
  template <typename Release>
  void Say(Runtime& runtime, std::chrono::nanoseconds bound, const Release& release) {
    Pass pass = TakePass();
    if (pass == nullptr) return;
    for (const auto& ending : TakeEndings()) release(*ending, pass);
    pass.reset();
    runtime.Wait(*all_said_, runtime.Now() + bound);
  }

 private:
  Pass TakePass();
  std::vector<std::shared_ptr<const v1::ReleaseRequest>> TakeEndings();

  // Set when the last pass goes.
  const std::shared_ptr<Event> all_said_ = std::make_shared<Event>();
  Mutex mutex_;
  // Until closing begins.
  Pass first_pass_ GUARDED_BY(mutex_);
  const std::weak_ptr<void> open_passes_;
  // By attempt_id.
  std::map<std::string, std::shared_ptr<const v1::ReleaseRequest>> endings_ GUARDED_BY(mutex_);
};

}  // namespace latchkey::inline client::internal
