// The asynchronous form: every callback is called once, with what the blocking call would have
// returned, and asynchronous work ends however it ends.
#include <deque>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <vector>

#include "client/src/library_thread.h"
#include "client_fixture.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey::inline client::internal {
namespace {

using grpc::StatusCode;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;
using State = v1::CheckResultResponse;
using Status = RunResult::Status;

// What a callback was called with, and how often.
template <typename T>
struct Heard {
  int calls = 0;
  std::optional<T> value;
  Callback<T> callback() {
    return [this](T heard) {
      ++calls;
      value.emplace(std::move(heard));
    };
  }
};

class AsyncTest : public ClientTest {
 protected:
  static AsyncWork Paying() {
    return [](std::shared_ptr<Attempt>, Callback<Outcome> done) {
      done(Succeeded({.provider_reference = "pay_1"}));
    };
  }
  void RunAsync(AsyncWork create, AsyncWork recover = nullptr, const AcquireOptions& options = {}) {
    client_->RunOnceAsync("order:1", options, std::move(create), std::move(recover),
                          run_.callback());
  }
  // Ends what a test left running, before what it refers to goes.
  void TearDown() override { client_.reset(); }

  std::optional<Client> client_ = MakeClient(runtime_, transport_);
  Heard<RunResult> run_;
};

TEST_F(AsyncTest, EveryCall_CallsBackOnceWithItsAnswer) {
  transport_->check.Always(Checked(State::HELD));
  Play<v1::IssueKeyResponse> issued;
  issued.response.set_key("minted");
  transport_->issue.Always(issued);
  Heard<AcquireAnswer> acquired;
  Heard<Answer<KeyStatus>> checked;
  Heard<Answer<std::string>> key;
  client_->AcquireLockAsync("order:1", {}, acquired.callback());
  client_->CheckResultAsync("order:1", {}, checked.callback());
  client_->IssueKeyAsync({}, key.callback());
  EXPECT_EQ(acquired.calls + checked.calls + key.calls, 0);
  runtime_->Advance(milliseconds(1));
  EXPECT_EQ((*checked.value)->state, KeyStatus::State::kHeld);
  EXPECT_EQ(**key.value, "minted");
  Lease lease = std::move(std::get<Lease>(*acquired.value));
  Heard<Answer<nanoseconds>> renewed;
  Heard<Answer<nanoseconds>> marked;
  Heard<Answer<nanoseconds>> saved;
  Heard<RecordAnswer> recorded;
  Heard<Answer<KeyStatus>> released;
  lease.RenewAsync(minutes(1), renewed.callback());
  lease.MarkEffectStartedAsync(marked.callback());
  lease.SaveCheckpointAsync("half way", saved.callback());
  runtime_->Advance(milliseconds(1));
  EXPECT_GT(**renewed.value, seconds(29));
  EXPECT_TRUE(marked.value->ok() && saved.value->ok());
  EXPECT_EQ(lease.checkpoint(), "half way");
  lease.RecordAsync(Succeeded({.code = "ok"}), recorded.callback());
  lease.ReleaseAsync(Effect::kUnknown, released.callback());
  runtime_->Advance(minutes(10));
  EXPECT_EQ(recorded.value->stored->code, "ok");
  EXPECT_TRUE(released.value->ok());
  for (int calls : {acquired.calls, checked.calls, key.calls, renewed.calls, marked.calls,
                    saved.calls, recorded.calls, released.calls}) {
    EXPECT_EQ(calls, 1);
  }
}

TEST_F(AsyncTest, AsFuture_IsTheSameAnswer) {
  transport_->acquire.Always(Contended());
  auto acquired = AsFuture(*client_, &Client::AcquireLockAsync, "order:1", AcquireOptions{});
  auto run =
      AsFuture(*client_, &Client::RunOnceAsync, "order:1", AcquireOptions{}, Paying(), AsyncWork());
  runtime_->Advance(seconds(1));
  EXPECT_EQ(std::get<Contention>(acquired.get()).holder_id, "worker-2");
  EXPECT_EQ(run.get().status, Status::kContention);
  (void)AsFuture(*client_, &Client::IssueKeyAsync, IssueOptions{});
}

TEST_F(AsyncTest, Callbacks_MayBeEmptyOrThrow) {
  client_->AcquireLockAsync("order:1", {}, nullptr);
  runtime_->Advance(seconds(1));
  EXPECT_EQ(transport_->release.count(), 1u) << "a lease that nobody takes is given back";
  client_->CheckResultAsync("order:1", {}, [](const auto&) { throw std::runtime_error("boom"); });
  EXPECT_NO_THROW(runtime_->Advance(minutes(1)));
}

TEST_F(AsyncTest, RunOnce_IsRecordedAndHeard) {
  RunAsync([&](std::shared_ptr<Attempt> attempt, Callback<Outcome> done) {
    EXPECT_EQ(attempt->mode(), Mode::kExecute);
    // The provider answers after ten minutes.
    runtime_->RunAt(runtime_->Now() + minutes(10), [attempt, done] {
      EXPECT_EQ(attempt->state(), LeaseState::kHeld);
      done(Succeeded({.provider_reference = "pay_1"}));
    });
  });
  runtime_->Advance(minutes(9));
  EXPECT_EQ(run_.calls, 0);
  runtime_->Advance(minutes(2));
  EXPECT_EQ(run_.calls, 1);
  EXPECT_EQ(run_.value->status, Status::kSucceeded);
  EXPECT_EQ(run_.value->result->provider_reference, "pay_1");
  EXPECT_GE(transport_->renew.count(), 58u);
  const std::size_t renewals = transport_->renew.count();
  runtime_->Advance(minutes(5));
  EXPECT_EQ(transport_->renew.count(), renewals);
  EXPECT_EQ(transport_->release.count(), 0u);
}

TEST_F(AsyncTest, RunOnce_EndsAsItsBlockingFormDoes) {
  transport_->acquire.Then(AlreadyCompleted());
  RunAsync(Paying());
  runtime_->Advance(seconds(1));
  EXPECT_TRUE(run_.value->replayed);
  transport_->acquire.Then(Recovering());
  RunAsync(Paying());
  runtime_->Advance(seconds(1));
  EXPECT_EQ(run_.value->status, Status::kInDoubt);
  EXPECT_FALSE(run_.value->own);
  transport_->acquire.Then(Recovering());
  RunAsync(nullptr, Paying());
  EXPECT_EQ(run_.value->error->reason, "CREATE_REQUIRED");
  RunAsync(Paying(), [](std::shared_ptr<Attempt> attempt, Callback<Outcome> done) {
    EXPECT_EQ(attempt->recover_action(), RecoverAction::kQueryOnly);
    done(NotExecuted().AfterAsking());
  });
  runtime_->Advance(seconds(1));
  EXPECT_EQ(run_.value->status, Status::kNotExecuted);
  EXPECT_EQ(transport_->release.seen().back().effect(), v1::ReleaseRequest::RUN_NOT_EXECUTED);
  EXPECT_EQ(run_.calls, 4);
}

TEST_F(AsyncTest, DoneCalledTwice_CountsOnce) {
  RunAsync([](const std::shared_ptr<Attempt>&, const Callback<Outcome>& done) {
    done(Succeeded({.provider_reference = "pay_1"}));
    done(Rejected({.code = "declined"}));
    throw std::runtime_error("and then this");
  });
  runtime_->Advance(minutes(1));
  EXPECT_EQ(run_.calls, 1);
  EXPECT_EQ(run_.value->status, Status::kSucceeded);
  EXPECT_EQ(run_.value->exception, nullptr);
  EXPECT_EQ(transport_->record.count(), 1u);
}

TEST_F(AsyncTest, DoneDropped_IsUnknown) {
  RunAsync([](const std::shared_ptr<Attempt>&, const Callback<Outcome>&) {});
  runtime_->Advance(seconds(1));
  EXPECT_EQ(run_.calls, 1);
  EXPECT_EQ(run_.value->status, Status::kInDoubt);
  EXPECT_EQ(transport_->release.seen().at(0).effect(), v1::ReleaseRequest::UNKNOWN);
}

TEST_F(AsyncTest, WorkThatThrows_IsUnknownAndHandedBack) {
  RunAsync([](const std::shared_ptr<Attempt>&, const Callback<Outcome>&) {
    throw std::runtime_error("boom");
  });
  runtime_->Advance(seconds(1));
  EXPECT_EQ(run_.value->status, Status::kInDoubt);
  EXPECT_THROW(std::rethrow_exception(run_.value->exception), std::runtime_error);
}

TEST_F(AsyncTest, AttemptKeptAfterTheEnd_ShowsALeaseThatIsOver) {
  std::shared_ptr<Attempt> kept;
  RunAsync([&](std::shared_ptr<Attempt> attempt, const Callback<Outcome>& done) {
    kept = std::move(attempt);
    done(Unknown());
  });
  runtime_->Advance(seconds(1));
  EXPECT_EQ(run_.value->status, Status::kInDoubt);
  EXPECT_EQ(kept->state_reason(), "RELEASED");
  EXPECT_EQ(transport_->release.count(), 1u);
}

TEST_F(AsyncTest, WorkMayDestroyTheClient) {
  RunAsync([&](const std::shared_ptr<Attempt>&, const Callback<Outcome>& done) {
    client_.reset();
    done(Succeeded({.provider_reference = "pay_1"}));
  });
  runtime_->Advance(seconds(1));
  EXPECT_EQ(run_.value->status, Status::kSucceeded);
  EXPECT_TRUE(transport_->shut_down);
  EXPECT_TRUE(runtime_->stopped());
}

TEST_F(AsyncTest, BlockingWorkMayDestroyTheClient) {
  const RunResult run = client_->RunOnce("order:1", {}, [&](Attempt& attempt) {
    client_.reset();
    EXPECT_TRUE(attempt.SaveCheckpoint("still there").ok());
    return Succeeded({});
  });
  EXPECT_EQ(run.status, Status::kSucceeded);
}

TEST_F(AsyncTest, ClientThatGoes_TellsEveryCallUnderWay) {
  transport_->check.Always(Lost<v1::CheckResultResponse>());
  transport_->acquire.Always(
      Failing<v1::AcquireLockResponse>({StatusCode::UNAVAILABLE, "gone", ""}));
  transport_->issue.Always(Frozen<v1::IssueKeyResponse>());
  Heard<AcquireAnswer> acquired;
  Heard<Answer<KeyStatus>> checked;
  Heard<Answer<std::string>> key;
  client_->AcquireLockAsync("order:1", {}, acquired.callback());
  client_->CheckResultAsync("order:1", {}, checked.callback());
  client_->IssueKeyAsync({}, key.callback());
  RunAsync(Paying());
  runtime_->Advance(milliseconds(100));
  client_.reset();
  for (const Error& error : {std::get<Error>(*acquired.value), checked.value->error(),
                             key.value->error(), *run_.value->error}) {
    EXPECT_EQ(error.reason, "CLIENT_CLOSED");
    EXPECT_EQ(error.kind, Error::Kind::kUnavailable);
  }
  EXPECT_EQ(acquired.calls + checked.calls + key.calls + run_.calls, 4);
  EXPECT_EQ(run_.value->status, Status::kUnavailable);
}

TEST_F(AsyncTest, WorkThatRuns_KeepsTheConnectionUntilItsOutcomeIsRecorded) {
  Callback<Outcome> finish;
  RunAsync(
      [&](const std::shared_ptr<Attempt>&, Callback<Outcome> done) { finish = std::move(done); });
  runtime_->Advance(seconds(1));
  client_.reset();
  EXPECT_FALSE(runtime_->stopped());
  runtime_->Advance(minutes(5));
  finish(Succeeded({}));
  runtime_->Advance(seconds(1));
  EXPECT_EQ(run_.value->status, Status::kSucceeded);
  EXPECT_TRUE(runtime_->stopped());
}

TEST_F(AsyncTest, Executor_RunsCallbacksAndWork) {
  std::deque<std::function<void()>> queue;
  client_ = MakeOther(
      {.executor = [&](std::function<void()> task) { queue.push_back(std::move(task)); }});
  bool begun = false;
  RunAsync([&](const std::shared_ptr<Attempt>&, const Callback<Outcome>& done) {
    begun = true;
    done(Succeeded({}));
  });
  runtime_->Advance(seconds(1));
  EXPECT_FALSE(begun);
  ASSERT_EQ(queue.size(), 1u);
  queue.front()();
  queue.pop_front();
  EXPECT_TRUE(begun);
  runtime_->Advance(seconds(1));
  EXPECT_EQ(run_.calls, 0);
  ASSERT_EQ(queue.size(), 1u);
  queue.front()();
  EXPECT_EQ(run_.value->status, Status::kSucceeded);
}

TEST_F(AsyncTest, ExecutorSoSlowThatTheLeaseIsLost_RunsNothing) {
  std::deque<std::function<void()>> queue;
  client_ = MakeOther(
      {.executor = [&](std::function<void()> task) { queue.push_back(std::move(task)); }});
  transport_->renew.Always(Lost<v1::RenewLeaseResponse>());
  RunAsync([&](const std::shared_ptr<Attempt>&, const Callback<Outcome>&) {
    ADD_FAILURE() << "the work ran without a lease";
  });
  runtime_->Advance(minutes(1));
  for (int i = 0; i < 2; ++i) {
    ASSERT_FALSE(queue.empty());
    queue.front()();
    queue.pop_front();
    runtime_->Advance(seconds(1));
  }
  EXPECT_EQ(run_.value->status, Status::kUnavailable);
  EXPECT_EQ(transport_->release.seen().at(0).effect(), v1::ReleaseRequest::NOT_EXECUTED);
}

TEST_F(AsyncTest, ExecutorThatDropsItsTasks_GivesTheKeyBack) {
  client_ = MakeOther({.executor = [](const std::function<void()>&) {}});
  RunAsync(Paying());
  runtime_->Advance(seconds(1));
  EXPECT_EQ(transport_->record.count(), 0u);
  EXPECT_EQ(transport_->release.seen().at(0).effect(), v1::ReleaseRequest::UNKNOWN);
}

TEST_F(AsyncTest, ABlockingCallOnAThreadOfTheLibrary_IsRefused) {
  transport_->check.Always(Checked(State::ABSENT));
  std::optional<Lease> lease = std::get<Lease>(client_->AcquireLock("order:1"));
  {
    const LibraryThread mark;
    EXPECT_EQ(client_->CheckResult("order:1").error().reason, "WOULD_BLOCK");
    EXPECT_EQ(client_->RunOnce("order:1", {}, Doing(Unknown())).error->reason, "WOULD_BLOCK");
    EXPECT_EQ(lease->Record(Succeeded({})).error->reason, "WOULD_BLOCK");
    EXPECT_EQ(transport_->record.count(), 0u);
    const auto before = runtime_->Now();
    lease.reset();
    EXPECT_EQ(runtime_->Now(), before) << "dropping does not block there";
  }
  EXPECT_EQ(transport_->release.count(), 1u);
  EXPECT_EQ(runs_, 0);
}

// A call that is stopped beforehand is answered before it returns.
TEST_F(AsyncTest, LastHandleDroppedWhileTheCallBegins_IsNotMissed) {
  std::stop_source stop;
  stop.request_stop();
  int calls = 0;
  const auto drop = [&](const auto&) {
    client_.reset();
    ++calls;
  };
  const auto renew = [&] {
    runtime_ = std::make_shared<FakeRuntime>();
    transport_ = std::make_shared<FakeTransport>(runtime_);
    client_ = MakeClient(runtime_, transport_);
  };
  client_->AcquireLockAsync("order:1", {.stop = stop.get_token()}, drop);
  renew();
  client_->CheckResultAsync("order:1", {.stop = stop.get_token()}, drop);
  renew();
  client_->IssueKeyAsync({.stop = stop.get_token()}, drop);
  renew();
  client_->RunOnceAsync("order:1", {.stop = stop.get_token()}, Paying(), nullptr, drop);
  EXPECT_EQ(calls, 4);
  EXPECT_TRUE(transport_->shut_down);
}

TEST_F(AsyncTest, LastHandleDroppedByACallback_ClosesAfterIt) {
  client_->CheckResultAsync("order:1", {}, [&](const auto&) {
    const LibraryThread mark;
    client_.reset();
    EXPECT_FALSE(transport_->shut_down) << "that would wait for this callback to end";
  });
  runtime_->Advance(minutes(1));
  EXPECT_TRUE(transport_->shut_down);
}

}  // namespace
}  // namespace latchkey::inline client::internal
