// A server for one input of a fuzzer, with one partition. Limits are small, so that short inputs
// reach them. Time stands still until a step moves it.
#pragma once

#include "base/fake_clock.h"
#include "tests/support/call_bed.h"

namespace latchkey::fuzz {

class TestBed {
 public:
  TestBed();
  // Ends everything, and checks what is stored.
  ~TestBed();

  const CallEnvironment& environment() const { return bed_.environment(); }
  FakeClock& clock() { return clock_; }
  storage::RecordStore& store() { return bed_.store(); }
  Partitions& partitions() { return bed_.partitions(); }

  // Returns when everything that was submitted before is decided and, if it does not wait, was
  // finished.
  void Settle();
  // The same, and checks that what may wait is bounded.
  void SettleAndCheck();
  // Moves the clocks, a tenth of a second at a time as a running server sees them.
  void Pass(Duration time);

 private:
  void CheckStored();

  FakeClock clock_;
  CallBed bed_;
};

}  // namespace latchkey::fuzz
