// The outcomes that the service has not confirmed yet, on their way to it.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <string>

#include "base/mutex.h"
#include "connection.h"
#include "latchkey/async.h"
#include "outbox.h"

namespace latchkey::inline client::internal {

// Each outcome is tried until the service has acknowledged or refused it, or Close. Thread-safe.
class Deliveries : public std::enable_shared_from_this<Deliveries> {
 public:
  // With an outbox: what dead processes left is on its way, too, however late they die.
  static std::shared_ptr<Deliveries> Start(std::shared_ptr<Connection> connection,
                                           const ClientOptions& options);

  struct Progress {
    // The service's, or why there is none yet.
    Answer<StoredResult> answer;
    // There is none, and delivering goes on.
    bool goes_on = false;
  };
  // Writes the outcome to the outbox, if there is one, and begins to deliver it. `callback` is
  // called when the service has answered, or when `call.deadline` has come; then, and only if
  // delivering goes on, `in_the_end` with what the service answers at last. Neither after Close.
  void Deliver(RecordCall call, Callback<Progress> callback,
               Callback<Answer<StoredResult>> in_the_end);

  // How many have not ended.
  std::size_t count();
  // The last that went wrong with the outbox; empty if nothing did.
  std::string outbox_error();

  // Lets go of the outbox: what is left in it is for the next process. The connection is closed.
  void Close();

 private:
  struct Delivery {
    RecordCall call;
    // In the outbox; empty if it is not there.
    std::string file;
    Callback<Answer<StoredResult>> in_the_end;
  };

  // In the outbox alone, until its turn comes.
  struct Waiting {
    std::string file;
    // Null for what other processes left.
    Callback<Answer<StoredResult>> in_the_end;
  };

  Deliveries(std::shared_ptr<Connection> connection, const ClientOptions& options);

  std::string Write(const RecordCall& call);
  void OnTried(Delivery delivery, Answer<StoredResult> answer, const Callback<Progress>& callback);
  void GoOn(Delivery delivery);
  void End(const Delivery& delivery, const Answer<StoredResult>& answer);
  // What dead processes left; now, and again every now and then.
  void TakeOver();
  void Queue(Waiting waiting);
  // One of a few lanes, each of which ends when nothing waits.
  void DeliverNext();
  void Trouble(std::string what);
  // Unless the service has heard it: delivering in the background has ended, and nobody waits.
  void Report(const RecordCall& call, const Answer<StoredResult>& answer);

  const std::shared_ptr<Connection> connection_;
  const std::size_t kept_max_;
  // Empty: nobody wants to know.
  const Callback<UndeliverableOutcome> on_undeliverable_;

  Mutex mutex_;
  // Null: none, or closed.
  std::shared_ptr<Outbox> outbox_ GUARDED_BY(mutex_);
  std::size_t under_way_ GUARDED_BY(mutex_) = 0;
  // Empty unless there is an outbox_.
  std::deque<Waiting> waiting_ GUARDED_BY(mutex_);
  // How many calls of DeliverNext are under way.
  std::size_t lanes_ GUARDED_BY(mutex_) = 0;
  std::string outbox_error_ GUARDED_BY(mutex_);
};

}  // namespace latchkey::inline client::internal
