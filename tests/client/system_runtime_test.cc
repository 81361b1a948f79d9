// The timer thread: order, cancelling, and stopping from wherever.
#include "client/src/system_runtime.h"

#include <memory>
#include <stdexcept>
#include <vector>

#include "client/src/library_thread.h"
#include <gtest/gtest.h>

namespace latchkey::inline client::internal {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

TEST(SystemRuntimeTest, RunsTasksInOrderOfTime) {
  SystemRuntime runtime;
  const auto base = runtime.Now() + milliseconds(20);
  std::vector<int> order;
  auto last = std::make_shared<Event>();
  runtime.RunAt(base + milliseconds(2), [&, last] {
    order.push_back(3);
    last->Set();
  });
  runtime.RunAt(base, [&] { order.push_back(1); });
  runtime.RunAt(base, [&] { order.push_back(2); });
  runtime.Wait(*last, {});
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
  EXPECT_GE(runtime.Now(), base + milliseconds(2));
}

TEST(SystemRuntimeTest, CancelledTasksAreNotRunAndFreed) {
  SystemRuntime runtime;
  auto owned = std::make_shared<int>(1);
  bool ran = false;
  const auto soon = runtime.Now() + milliseconds(20);
  const auto id = runtime.RunAt(soon, [&ran, owned] { ran = true; });
  EXPECT_EQ(owned.use_count(), 2);
  runtime.Cancel(id);
  EXPECT_EQ(owned.use_count(), 1);
  runtime.Cancel(id);
  auto after = std::make_shared<Event>();
  runtime.RunAt(soon, [after] { after->Set(); });
  runtime.Wait(*after, {});
  EXPECT_FALSE(ran);
}

TEST(SystemRuntimeTest, ATaskThatThrowsHarmsNoOther) {
  SystemRuntime runtime;
  auto after = std::make_shared<Event>();
  runtime.RunAt(runtime.Now(), [] { throw std::runtime_error("boom"); });
  runtime.RunAt(runtime.Now(), [after] { after->Set(); });
  runtime.Wait(*after, {});
}

TEST(SystemRuntimeTest, ATaskIsDestroyedOnAThreadThatMustNotBlock) {
  SystemRuntime runtime;
  auto gone = std::make_shared<Event>();
  bool marked = false;
  {
    std::shared_ptr<void> owned(nullptr, [&marked, gone](void*) {
      marked = LibraryThread::IsThis();
      gone->Set();
    });
    auto released = std::make_shared<Event>();
    runtime.RunAt(runtime.Now(), [owned, released] { released->Wait(); });
    owned.reset();
    released->Set();
  }
  runtime.Wait(*gone, {});
  EXPECT_TRUE(marked) << "what a task owned may be a Lease, whose end blocks elsewhere";
}

TEST(SystemRuntimeTest, StopDropsWhatIsNotDue) {
  SystemRuntime runtime;
  auto owned = std::make_shared<int>(1);
  runtime.RunAt(runtime.Now() + hours(1), [owned] {});
  runtime.Stop();
  EXPECT_EQ(owned.use_count(), 1);
  runtime.RunAt(runtime.Now(), [owned] {});
  EXPECT_EQ(owned.use_count(), 1);
  runtime.Stop();
}

TEST(SystemRuntimeTest, ATaskMayStopItOrBeItsLastOwner) {
  auto stopped = std::make_shared<Event>();
  {
    SystemRuntime runtime;
    runtime.RunAt(runtime.Now(), [&runtime, stopped] {
      runtime.Stop();
      stopped->Set();
    });
    runtime.Wait(*stopped, {});
  }
  auto runtime = std::make_shared<SystemRuntime>();
  auto released = std::make_shared<Event>();
  auto gone = std::make_shared<Event>();
  std::shared_ptr<void> announce(nullptr, [gone](void*) { gone->Set(); });
  runtime->RunAt(runtime->Now(), [runtime, released, announce] { released->Wait(); });
  runtime.reset();
  announce.reset();
  released->Set();
  gone->Wait();
}

TEST(SystemRuntimeTest, WaitEndsAtItsTime) {
  SystemRuntime runtime;
  Event never;
  const auto until = runtime.Now() + milliseconds(5);
  runtime.Wait(never, until);
  EXPECT_GE(runtime.Now(), until);
  EXPECT_FALSE(never.IsSet());
}

TEST(SystemRuntimeTest, RandomIsNotAlwaysTheSame) {
  SystemRuntime runtime;
  EXPECT_NE(runtime.Random(), runtime.Random());
}

}  // namespace
}  // namespace latchkey::inline client::internal
