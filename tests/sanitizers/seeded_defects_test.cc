// Each sanitizer build must report a defect that is known to be there; one that reports nothing
// checks nothing.
#include <climits>
#include <memory>
#include <thread>

#include "base/mutex.h"
#include "gtest/gtest.h"

namespace latchkey {
namespace {

#if defined(LATCHKEY_SANITIZER_ADDRESS)

TEST(SeededDefectDeathTest, UseAfterFreeIsReported) {
  EXPECT_DEATH(
      {
        auto owner = std::make_unique<int>(1);
        volatile int* stale = owner.get();
        owner.reset();
        *stale = 2;
      },
      "heap-use-after-free");
}

TEST(SeededDefectDeathTest, SignedOverflowIsReported) {
  EXPECT_DEATH(
      {
        volatile int largest = INT_MAX;
        largest = largest + 1;
      },
      "signed integer overflow");
}

#elif defined(LATCHKEY_SANITIZER_THREAD)

// Two threads write; only one of them takes the mutex.
void WriteWithAndWithoutTheMutex() {
  Mutex mutex;
  int value = 0;
  std::thread other([&] {
    MutexLock lock(mutex);
    value = 1;
  });
  value = 2;
  other.join();
}

TEST(SeededDefectDeathTest, DataRaceIsReported) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(WriteWithAndWithoutTheMutex(), "data race");
}

// The same with both under the mutex: our Mutex is understood, so silence means something.
TEST(SeededDefectTest, GuardedWritesAreNotReported) {
  Mutex mutex;
  int value = 0;
  std::thread other([&] {
    MutexLock lock(mutex);
    ++value;
  });
  {
    MutexLock lock(mutex);
    ++value;
  }
  other.join();
  EXPECT_EQ(value, 2);
}

#endif

}  // namespace
}  // namespace latchkey
