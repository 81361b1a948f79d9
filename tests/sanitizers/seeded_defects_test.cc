// Each sanitizer build must report a defect that is known to be there; one that reports nothing
// checks nothing.
#include <climits>
#include <cstring>
#include <memory>
#include <thread>

#include "base/mutex.h"
#include "gtest/gtest.h"
#include "tests/partition/partition_harness.h"

#if defined(LATCHKEY_SANITIZER_ADDRESS)
#include <sanitizer/lsan_interface.h>
#endif

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

// Inside our libraries, not only in a test: a call that is freed while the partition has it.
TEST(SeededDefectDeathTest, UseAfterFreeInAPartitionIsReported) {
  EXPECT_DEATH(
      {
        PartitionHarness harness;
        {
          AcquireCall call(Acquire("k", "a"), harness.clock.Monotonic());
          harness.Post(&call);
        }
        harness.Run();
      },
      "stack-use-after-scope");
}

// Each overwrites the only pointer to the one before.
int* volatile only_pointer = nullptr;

void Leak() {
  for (int i = 0; i < 100; ++i) only_pointer = new int(i);
  *only_pointer = 100;
}

TEST(SeededDefectDeathTest, LeakIsReported) {
  EXPECT_DEATH(
      {
        Leak();
        __lsan_do_leak_check();
      },
      "detected memory leaks");
}

TEST(SeededDefectDeathTest, SignedOverflowIsReported) {
  EXPECT_DEATH(
      {
        volatile int largest = INT_MAX;
        largest = largest + 1;
      },
      "signed integer overflow");
}

struct Base {
  virtual ~Base() = default;
};
struct Derived : Base {
  virtual int Number() const { return 1; }
};

TEST(SeededDefectDeathTest, CallOnAnotherClassIsReported) {
  EXPECT_DEATH(
      {
        const Base base;
        const Base* volatile pointer = &base;
        const volatile int number = static_cast<const Derived*>(pointer)->Number();
        (void)number;
      },
      "does not point to an object of type");
}

#elif defined(LATCHKEY_SANITIZER_THREAD)

class SeededDefectDeathTest : public ::testing::Test {
 protected:
  SeededDefectDeathTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

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

TEST_F(SeededDefectDeathTest, DataRaceIsReported) {
  EXPECT_DEATH(WriteWithAndWithoutTheMutex(), "data race");
}

// A partition belongs to one thread.
void RunAPartitionOnTwoThreads() {
  PartitionHarness harness;
  const auto run = [&] {
    for (int i = 0; i < 100; ++i) harness.partition().Process({});
  };
  std::thread other(run);
  run();
  other.join();
}

TEST_F(SeededDefectDeathTest, DataRaceInAPartitionIsReported) {
  EXPECT_DEATH(RunAPartitionOnTwoThreads(), "data race.*(.|\n)*latchkey::Partition::Process");
}

// A record must stay as it is while it is committed.
void ChangeARecordWhileItIsCommitted() {
  storage::MemoryRecordStore store;
  const auto record = std::make_unique<storage::v1::Record>();
  record->set_state(v1::CheckResultResponse::HELD);
  std::thread other([&] {
    const storage::Write writes[] = {{.store_key = "k", .record = record.get()}};
    (void)store.Commit(writes);
  });
  record->set_attempt_number(7);
  other.join();
}

TEST_F(SeededDefectDeathTest, DataRaceInAStoreIsReported) {
  EXPECT_DEATH(ChangeARecordWhileItIsCommitted(), "data race.*(.|\n)*storage::MemoryRecordStore");
}

// By memcpy, of which our code has much that we do not see.
void CopyWhileItIsWritten() {
  char value[64] = {};
  std::thread other([&] {
    char copy[sizeof(value)];
    std::memcpy(copy, value, sizeof(value));
    EXPECT_EQ(copy[0], 0);
  });
  std::memset(value, 1, sizeof(value));
  other.join();
}

TEST_F(SeededDefectDeathTest, DataRaceOfCopiesIsReported) {
  EXPECT_DEATH(CopyWhileItIsWritten(), "data race");
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
