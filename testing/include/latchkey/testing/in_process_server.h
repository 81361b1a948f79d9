// A whole Latchkey service in the process of a test: the shipped server over a store in memory, on
// a loopback port of its own.
//
//   latchkey::testing::InProcessServer server;
//   latchkey::Client client = server.Connect();
//   auto lease = std::get<latchkey::Lease>(client.AcquireLock("order:1"));
//   server.AdvanceTime(std::chrono::seconds(31));  // the lease of 30 s has lapsed
//   // Whoever comes next is told to recover.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "latchkey/client.h"

namespace latchkey::testing_internal {
class TestServer;
}  // namespace latchkey::testing_internal

namespace latchkey::testing {

// Two clocks are at work. The server's runs with the machine's, never faster, and is what
// AdvanceTime sets forward: leases, waits, the provider's window and retention all go by it. It
// does not notice that the process was stopped, so a test may sit in a debugger. A client's is the
// machine's own: it renews in real time, and learns that its lease lapsed when it next asks (after
// a third of the lease at the latest) or records.
//
// Everything is gone with the object. Thread-safe.
class InProcessServer {
 public:
  // Serves when it returns. Throws std::runtime_error where it cannot.
  InProcessServer();
  // Ends what is under way. Clients may outlive it; they find nobody.
  ~InProcessServer();
  InProcessServer(const InProcessServer&) = delete;
  InProcessServer& operator=(const InProcessServer&) = delete;

  // host:port, for stock stubs and other processes.
  const std::string& address() const;
  // A client of this server, with a connection of its own.
  Client Connect(ClientOptions options = {}) const;

  // Lets that much time pass for the server, in steps in which everything falls due as it would in
  // time: what lapses first is granted to its waiter first. The first 15 minutes, as long as a
  // lease can be, cost about a second; what is beyond them passes in one step.
  void AdvanceTime(std::chrono::nanoseconds by);

  // The next `count` replies get lost on the way, whoever is waiting for them: the calls have had
  // their effect, and their callers see a broken connection. A Client repeats what it asked.
  void DropReplies(int count);
  // Holds all replies back until ResumeAnswering: the server acts on what it is asked, and nobody
  // hears of it.
  void StopAnswering();
  // Sends what was held back.
  void ResumeAnswering();

 private:
  const std::unique_ptr<testing_internal::TestServer> server_;
};

}  // namespace latchkey::testing
