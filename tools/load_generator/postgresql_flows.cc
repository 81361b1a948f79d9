#include "tools/load_generator/postgresql_flows.h"

#include <event2/event.h>
#include <libpq-fe.h>

#include <array>
#include <cstdlib>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/load_generator/event_driver.h"

namespace latchkey::bench {
namespace {

constexpr char kTable[] =
    "CREATE TABLE flows (key text PRIMARY KEY, holder text NOT NULL, "
    "held_until timestamptz NOT NULL, result bytea)";
// Takes a key that is new, or whose holder fell silent without a result.
constexpr char kAcquire[] =
    "INSERT INTO flows (key, holder, held_until) VALUES ($1, $2, now() + interval '600 s') "
    "ON CONFLICT (key) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until "
    "WHERE flows.result IS NULL AND flows.held_until < now()";
constexpr char kRecord[] =
    "UPDATE flows SET result = $3 WHERE key = $1 AND holder = $2 AND result IS NULL";

struct EndConnection {
  void operator()(PGconn* connection) const { PQfinish(connection); }
};
struct EndResult {
  void operator()(PGresult* result) const { PQclear(result); }
};
struct EndEvent {
  void operator()(event* waiting) const { event_free(waiting); }
};
using Connection = std::unique_ptr<PGconn, EndConnection>;
using Result = std::unique_ptr<PGresult, EndResult>;
using Event = std::unique_ptr<event, EndEvent>;

class StatementLoop final : public FlowLoop {
 public:
  StatementLoop(PGconn* connection, event_base* base)
      : connection_(connection),
        readable_(event_new(base, PQsocket(connection), EV_READ | EV_PERSIST, OnReadable, this)),
        writable_(event_new(base, PQsocket(connection), EV_WRITE, OnWritable, this)) {
    event_add(readable_.get(), nullptr);
  }

 private:
  void Send() override {
    recording_ = false;
    const std::array<const char*, 2> values = {key().c_str(), "bench"};
    Sent(PQsendQueryPrepared(connection_, "acquire", 2, values.data(), nullptr, nullptr, 0));
  }

  void Record() {
    recording_ = true;
    payload_ = MakePayload();
    const std::array<const char*, 3> values = {key().c_str(), "bench", payload_.data()};
    const std::array<int, 3> lengths = {0, 0, static_cast<int>(payload_.size())};
    const std::array<int, 3> formats = {0, 0, 1};
    Sent(PQsendQueryPrepared(connection_, "record", 3, values.data(), lengths.data(),
                             formats.data(), 0));
  }

  void Sent(int sent) {
    if (sent != 1) return Failed(PQerrorMessage(connection_));
    Flush();
  }

  void Flush() {
    const int left = PQflush(connection_);
    if (left < 0) return Failed(PQerrorMessage(connection_));
    if (left > 0) event_add(writable_.get(), nullptr);
  }

  static void OnWritable(evutil_socket_t, short, void* loop) {
    static_cast<StatementLoop*>(loop)->Flush();
  }

  static void OnReadable(evutil_socket_t, short, void* loop) {
    static_cast<StatementLoop*>(loop)->Read();
  }

  void Read() {
    if (PQconsumeInput(connection_) != 1) {
      event_del(readable_.get());
      return Failed(PQerrorMessage(connection_));
    }
    while (PQisBusy(connection_) == 0) {
      Result result(PQgetResult(connection_));
      if (result == nullptr) return StatementEnded();
      result_ = std::move(result);
    }
  }

  // Whether exactly one row was changed.
  void StatementEnded() {
    const Result result = std::move(result_);
    if (result == nullptr) return;  // nothing was sent
    if (PQresultStatus(result.get()) != PGRES_COMMAND_OK)
      return Failed(PQresultErrorMessage(result.get()));
    if (std::string_view(PQcmdTuples(result.get())) != "1")
      return Failed(std::string("not one row: ") + PQcmdStatus(result.get()));
    if (recording_) return Finished();
    Record();
  }

  PGconn* const connection_;
  const Event readable_;
  const Event writable_;
  bool recording_ = false;
  std::string payload_;
  Result result_;
};

class PostgresqlDriver final : public EventDriver {
 public:
  explicit PostgresqlDriver(std::vector<Connection> connections)
      : connections_(std::move(connections)) {}

  std::unique_ptr<FlowLoop> MakeLoop(int number) override {
    return std::make_unique<StatementLoop>(connections_[static_cast<std::size_t>(number)].get(),
                                           base());
  }

 private:
  std::vector<Connection> connections_;
};

absl::Status ErrorOf(const Connection& connection) {
  return absl::UnavailableError(PQerrorMessage(connection.get()));
}

absl::StatusOr<Connection> Connect(const std::string& server) {
  Connection connection(PQconnectdb(server.c_str()));
  if (PQstatus(connection.get()) != CONNECTION_OK) return ErrorOf(connection);
  return connection;
}

bool Prepare(const Connection& connection, const char* name, const char* statement) {
  const Result prepared(PQprepare(connection.get(), name, statement, 0, nullptr));
  return PQresultStatus(prepared.get()) == PGRES_COMMAND_OK;
}

}  // namespace

absl::Status PreparePostgresql(const std::string& server) {
  const auto connection = Connect(server);
  if (!connection.ok()) return connection.status();
  const Result made(PQexec(connection->get(), kTable));
  return PQresultStatus(made.get()) == PGRES_COMMAND_OK ? absl::OkStatus() : ErrorOf(*connection);
}

absl::StatusOr<std::unique_ptr<Driver>> ConnectPostgresql(const std::string& server,
                                                          int connections) {
  std::vector<Connection> made;
  for (int i = 0; i < connections; ++i) {
    auto connection = Connect(server);
    if (!connection.ok()) return connection.status();
    if (!Prepare(*connection, "acquire", kAcquire) || !Prepare(*connection, "record", kRecord) ||
        PQsetnonblocking(connection->get(), 1) != 0) {
      return ErrorOf(*connection);
    }
    made.push_back(*std::move(connection));
  }
  return std::make_unique<PostgresqlDriver>(std::move(made));
}

}  // namespace latchkey::bench
