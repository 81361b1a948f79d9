// Rule 15: the clock that retention runs on.
#include "server/retention/retention_clock.h"

#include "base/fake_clock.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey {
namespace {

using std::chrono_literals::operator""s;
using std::chrono_literals::operator""min;
using std::chrono_literals::operator""h;

// A RetentionClock that is shown a fake machine's clocks, and never seen to go back.
class WatchedClock {
 public:
  explicit WatchedClock(bool accept_steps = false) : accept_steps_(accept_steps) {
    Open(std::nullopt);
  }

  // A new process, which finds what was written down.
  void Restart() { Open(now()); }
  void Open(std::optional<WallTime> stored) {
    clock_.emplace(stored, accept_steps_, machine.Monotonic(), machine.Wall());
    Look();
  }
  // Lets time pass, with a look at the clocks every ten minutes.
  void Pass(Duration time) {
    for (; time > Duration::zero(); time -= std::min<Duration>(time, 10min)) {
      machine.Advance(std::min<Duration>(time, 10min));
      Look();
    }
  }
  void Step(Duration by) {
    machine.StepWall(by);
    Look();
  }

  WallTime now() { return clock_->RetentionAt(machine.Monotonic()); }
  WallTime latest() { return clock_->LatestAt(machine.Monotonic()); }
  // How far it is behind the wall clock.
  Duration behind() { return machine.Wall() - now(); }
  bool in_doubt() const { return clock_->in_doubt(); }
  // How long it has run without a step, as far as anybody can tell.
  Duration steady_for() { return now() - clock_->steady_since(); }

  FakeClock machine;

 private:
  void Look() {
    clock_->Tick(machine.Monotonic(), machine.Wall());
    EXPECT_GE(now(), highest_) << "it went back";
    highest_ = now();
    EXPECT_GE(latest(), now());
    EXPECT_GE(latest(), machine.Wall()) << "the wall clock may be right";
  }

  const bool accept_steps_;
  std::optional<RetentionClock> clock_;
  WallTime highest_;
};

TEST(RetentionClockTest, FollowsTheWallClock) {
  WatchedClock clock;
  EXPECT_EQ(clock.behind(), 0s);
  clock.Pass(48h);
  EXPECT_EQ(clock.behind(), 0s);
  EXPECT_EQ(clock.latest(), clock.machine.Wall());
  EXPECT_FALSE(clock.in_doubt());
}

TEST(RetentionClockTest, AdvancesBetweenLooks) {
  WatchedClock clock;
  clock.machine.Advance(7s);
  EXPECT_EQ(clock.behind(), 0s);
  EXPECT_EQ(clock.latest(), clock.machine.Wall());
}

TEST(RetentionClockTest, FollowsAStepOfUpToAnHourAtOnce) {
  WatchedClock clock;
  clock.Step(1h);
  EXPECT_EQ(clock.behind(), 0s);
  EXPECT_FALSE(clock.in_doubt());
}

TEST(RetentionClockTest, DoesNotFollowALongerStep) {
  WatchedClock clock;
  clock.Step(1h + 1s);
  EXPECT_EQ(clock.behind(), 1h + 1s);
  EXPECT_TRUE(clock.in_doubt());
  EXPECT_EQ(clock.latest(), clock.machine.Wall());
  clock.Pass(5h);
  EXPECT_EQ(clock.behind(), 1h + 1s) << "it advances with the monotonic clock";
}

TEST(RetentionClockTest, FollowsALongStepAfterADayOfSteadyAgreement) {
  WatchedClock clock;
  clock.Step(24h * 90);
  clock.Pass(24h - 1s);
  EXPECT_EQ(clock.behind(), 24h * 90);
  clock.Pass(1s);
  EXPECT_EQ(clock.behind(), 0s);
  EXPECT_FALSE(clock.in_doubt());
}

TEST(RetentionClockTest, AnotherStepBeginsTheDayAnew) {
  WatchedClock clock;
  clock.Step(24h * 90);
  clock.Pass(20h);
  clock.Step(10min);
  clock.Pass(20h);
  EXPECT_TRUE(clock.in_doubt());
  clock.Pass(4h);
  EXPECT_EQ(clock.behind(), 0s);
}

TEST(RetentionClockTest, SmallCorrectionsAreSteadyEnough) {
  WatchedClock clock;
  clock.Step(5h);
  clock.Pass(12h);
  clock.Step(20s);
  clock.Pass(12h);
  EXPECT_FALSE(clock.in_doubt());
  EXPECT_EQ(clock.behind(), 0s);
}

TEST(RetentionClockTest, StepThatIsTakenBackLeavesNoTrace) {
  WatchedClock clock;
  clock.Step(24h * 90);
  clock.Pass(23h);
  clock.Step(-24h * 90);
  EXPECT_EQ(clock.behind(), 0s);
  EXPECT_FALSE(clock.in_doubt());
  clock.Step(24h * 90);
  clock.Pass(23h);
  EXPECT_TRUE(clock.in_doubt()) << "the first day does not count";
}

TEST(RetentionClockTest, DoesNotGoBackWithTheWallClock) {
  WatchedClock clock;
  const WallTime before = clock.now();
  clock.Step(-30min);
  EXPECT_EQ(clock.now(), before);
  EXPECT_FALSE(clock.in_doubt());
  clock.Step(-31min);
  EXPECT_EQ(clock.now(), before);
  EXPECT_TRUE(clock.in_doubt());
  clock.Pass(5h);
  EXPECT_EQ(clock.now(), before + 5h);
}

// The wall clock was ahead until now, or it is wrong now: nobody knows how late it is.
TEST(RetentionClockTest, LatestIsUnboundedWhileTheWallClockIsFarBehind) {
  WatchedClock clock;
  clock.Step(-2h);
  EXPECT_GT(clock.latest(), clock.now() + 24h * 365);
  clock.Step(2h);
  EXPECT_EQ(clock.latest(), clock.now());
}

TEST(RetentionClockTest, OperatorMayVouchForTheWallClock) {
  WatchedClock clock(/*accept_steps=*/true);
  clock.Step(24h * 90);
  EXPECT_EQ(clock.behind(), 0s);
  EXPECT_FALSE(clock.in_doubt());
  const WallTime before = clock.now();
  clock.Step(-2h);
  EXPECT_EQ(clock.now(), before) << "forward only";
  EXPECT_TRUE(clock.in_doubt());
}

TEST(RetentionClockTest, ShortDowntimeIsFollowed) {
  WatchedClock clock;
  const WallTime stored = clock.now();
  clock.machine.Advance(1h);
  clock.Open(stored);
  EXPECT_EQ(clock.behind(), 0s);
  EXPECT_FALSE(clock.in_doubt());
}

TEST(RetentionClockTest, LongDowntimeIsAStep) {
  WatchedClock clock;
  const WallTime stored = clock.now();
  clock.machine.Advance(5h);
  clock.Open(stored);
  EXPECT_EQ(clock.now(), stored);
  EXPECT_EQ(clock.latest(), clock.machine.Wall());
  EXPECT_TRUE(clock.in_doubt());
  clock.Pass(24h);
  EXPECT_EQ(clock.behind(), 0s);
}

TEST(RetentionClockTest, RestartDuringDoubtBeginsTheDayAnew) {
  WatchedClock clock;
  clock.Step(5h);
  clock.Pass(20h);
  clock.Restart();
  clock.Pass(20h);
  EXPECT_EQ(clock.behind(), 5h);
  clock.Pass(4h);
  EXPECT_EQ(clock.behind(), 0s);
}

TEST(RetentionClockTest, RestartWithAWallClockBehindWhatIsStored) {
  WatchedClock clock;
  const WallTime stored = clock.now();
  clock.machine.StepWall(-24h);
  clock.Open(stored);
  EXPECT_EQ(clock.now(), stored);
  EXPECT_TRUE(clock.in_doubt());
}

TEST(SteadyTest, BeginsWithTheProcess) {
  WatchedClock clock;
  EXPECT_EQ(clock.steady_for(), 0s);
  clock.Pass(3h);
  EXPECT_EQ(clock.steady_for(), 3h);
  clock.machine.Advance(30min);  // nobody knows how long it was down
  clock.Restart();
  EXPECT_EQ(clock.steady_for(), 0s);
}

TEST(SteadyTest, BeginsAnewWithEveryStepThatIsFollowed) {
  WatchedClock clock;
  clock.Pass(3h);
  clock.Step(59min);
  EXPECT_EQ(clock.behind(), 0s) << "it was followed";
  EXPECT_EQ(clock.steady_for(), 0s);
  clock.Pass(10min);
  EXPECT_EQ(clock.steady_for(), 10min);
}

TEST(SteadyTest, GoesOnWhereTheClockFollowsNoStep) {
  WatchedClock clock;
  clock.Pass(3h);
  clock.Step(2h);
  clock.Pass(1h);
  EXPECT_EQ(clock.steady_for(), 4h);
  clock.Pass(23h);
  EXPECT_EQ(clock.behind(), 0s) << "now it was";
  EXPECT_EQ(clock.steady_for(), 0s);
  clock.Step(-2h);
  clock.Pass(1h);
  EXPECT_EQ(clock.steady_for(), 1h);
}

TEST(SteadyTest, GoesOnWhereClocksDrift) {
  WatchedClock clock;
  clock.Pass(1h);
  clock.Step(std::chrono::milliseconds(10));
  EXPECT_GT(clock.steady_for(), 1h);
  clock.Step(std::chrono::milliseconds(11));
  EXPECT_EQ(clock.steady_for(), 0s);
}

}  // namespace
}  // namespace latchkey
