#include "tools/load_generator/redis_flows.h"

#include <event2/event.h>
#include <hiredis/adapters/libevent.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>

#include <array>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/load_generator/event_driver.h"

namespace latchkey::bench {
namespace {

constexpr char kHost[] = "127.0.0.1";
constexpr char kLeaseMilliseconds[] = "600000";
// Only who holds the lock may give it back.
constexpr char kUnlockScript[] =
    "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) "
    "else return 0 end";

struct EndReply {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
struct EndContext {
  void operator()(redisContext* context) const { redisFree(context); }
};
struct EndAsyncContext {
  void operator()(redisAsyncContext* context) const { redisAsyncFree(context); }
};
using Connection = std::unique_ptr<redisAsyncContext, EndAsyncContext>;

class CommandLoop final : public FlowLoop {
 public:
  CommandLoop(redisAsyncContext* connection, const std::string& unlock_script)
      : connection_(connection), unlock_script_(unlock_script) {}

 private:
  // What a flow consists of, in this order.
  enum class Step { kLock, kLook, kRecord, kUnlock };

  void Send() override {
    lock_key_ = "lock:" + key();
    result_key_ = "result:" + key();
    step_ = Step::kLock;
    // The key itself is as good a proof of holding as any: no two flows have the same.
    Command({{"SET", lock_key_, key(), "NX", "PX", kLeaseMilliseconds}});
  }

  void Command(const std::vector<std::string_view>& words) {
    std::array<const char*, 8> begins = {};
    std::array<std::size_t, 8> sizes = {};
    for (std::size_t i = 0; i < words.size(); ++i) {
      begins[i] = words[i].data();
      sizes[i] = words[i].size();
    }
    if (redisAsyncCommandArgv(connection_, OnReply, this, static_cast<int>(words.size()),
                              begins.data(), sizes.data()) != REDIS_OK) {
      return Failed(connection_->errstr);
    }
    // Now, and not when the loop finds that the socket can be written, as it always can.
    if ((connection_->c.flags & REDIS_CONNECTED) != 0) redisAsyncHandleWrite(connection_);
  }

  static void OnReply(redisAsyncContext* connection, void* reply, void* loop) {
    auto& self = *static_cast<CommandLoop*>(loop);
    if (reply == nullptr) return self.Failed(std::string("no reply: ") + connection->errstr);
    self.Replied(*static_cast<const redisReply*>(reply));
  }

  void Replied(const redisReply& reply) {
    if (reply.type == REDIS_REPLY_ERROR) return Failed(reply.str);
    switch (step_) {
      case Step::kLock:
        if (reply.type != REDIS_REPLY_STATUS) return Failed("the lock of a fresh key is taken");
        step_ = Step::kLook;
        return Command({"GET", result_key_});
      case Step::kLook:
        if (reply.type != REDIS_REPLY_NIL) return Failed("a fresh key has a result");
        step_ = Step::kRecord;
        payload_ = MakePayload();
        return Command({"SET", result_key_, payload_});
      case Step::kRecord:
        step_ = Step::kUnlock;
        return Command({"EVALSHA", unlock_script_, "1", lock_key_, key()});
      case Step::kUnlock:
        if (reply.integer != 1) return Failed("the lock was lost");
        return Finished();
    }
  }

  redisAsyncContext* const connection_;
  const std::string& unlock_script_;
  Step step_ = Step::kLock;
  std::string lock_key_;
  std::string result_key_;
  std::string payload_;
};

class RedisDriver final : public EventDriver {
 public:
  explicit RedisDriver(std::string unlock_script) : unlock_script_(std::move(unlock_script)) {}

  absl::Status Connect(int port, int connections) {
    for (int i = 0; i < connections; ++i) {
      Connection connection(redisAsyncConnect(kHost, port));
      if (connection == nullptr || connection->err != 0 ||
          redisLibeventAttach(connection.get(), base()) != REDIS_OK) {
        return absl::UnavailableError("cannot connect to Redis");
      }
      connections_.push_back(std::move(connection));
    }
    return absl::OkStatus();
  }

  std::unique_ptr<FlowLoop> MakeLoop(int number) override {
    return std::make_unique<CommandLoop>(connections_[static_cast<std::size_t>(number)].get(),
                                         unlock_script_);
  }

 private:
  const std::string unlock_script_;
  std::vector<Connection> connections_;
};

}  // namespace

absl::StatusOr<std::string> LoadUnlockScript(int port) {
  const std::unique_ptr<redisContext, EndContext> connection(redisConnect(kHost, port));
  if (connection == nullptr || connection->err != 0)
    return absl::UnavailableError("cannot connect to Redis");
  const std::unique_ptr<redisReply, EndReply> reply(
      static_cast<redisReply*>(redisCommand(connection.get(), "SCRIPT LOAD %s", kUnlockScript)));
  if (reply == nullptr || reply->type != REDIS_REPLY_STRING)
    return absl::UnavailableError("Redis does not take a script");
  return std::string(reply->str, reply->len);
}

absl::StatusOr<std::unique_ptr<Driver>> ConnectRedis(int port, const std::string& unlock_script,
                                                     int connections) {
  auto driver = std::make_unique<RedisDriver>(unlock_script);
  if (auto connected = driver->Connect(port, connections); !connected.ok()) return connected;
  return driver;
}

}  // namespace latchkey::bench
