#include "tools/fault_test/proxied_connection.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace latchkey::faults {
namespace {

// One request, as a caller sends it.
const std::string kRequest = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" +
                             std::string("\0\0\x9\0\0\0\0\0\x1", 9) +
                             std::string("\0\0\0\0\x4", 5) + "work";

// Both ends of a connection, and what is between them.
class ProxiedConnectionTest : public ::testing::Test {
 protected:
  struct End {
    std::string heard;  // until the connection was over
    int socket = -1;
  };

  // A caller sends `kRequest` and hears all that comes; a server hears all, and answers "reply"
  // once it has the whole request. Faults come with each request, if at all.
  void Connect(std::uint64_t seed, bool with_faults) {
    std::array<int, 2> caller{};
    std::array<int, 2> server{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, caller.data()), 0);
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, server.data()), 0);
    std::thread between([&, seed] {
      ProxiedConnection connection(caller[1], server[1],
                                   {.seed = seed,
                                    .requests_per_fault = 1,
                                    .goes_on = [with_faults] { return with_faults; },
                                    .note = [this](Fault fault) { faults_.push_back(fault); }});
      connection.Run();
    });
    std::thread serving([&] { Serve(server[0]); });
    ASSERT_EQ(::send(caller[0], kRequest.data(), kRequest.size(), 0),
              static_cast<ssize_t>(kRequest.size()));
    reply_ = Hear(caller[0], "reply");
    ::close(caller[0]);
    serving.join();
    between.join();
  }

  // Until the other side is silent for good, or has said this.
  static std::string Hear(int socket, const std::string& enough) {
    std::string heard;
    std::array<char, 256> buffer{};
    for (ssize_t got = 0; heard != enough;
         heard.append(buffer.data(), static_cast<std::size_t>(got))) {
      got = ::recv(socket, buffer.data(), buffer.size(), 0);
      if (got <= 0) break;
    }
    return heard;
  }

  void Serve(int socket) {
    request_ = Hear(socket, kRequest);
    if (request_ == kRequest) (void)::send(socket, "reply", 5, MSG_NOSIGNAL);
    (void)Hear(socket, "nothing more");
    ::close(socket);
  }

  std::string request_;  // what the server got
  std::string reply_;    // what the caller got
  std::vector<Fault> faults_;
};

TEST_F(ProxiedConnectionTest, RelaysWhileNothingFails) {
  Connect(1, false);
  EXPECT_EQ(request_, kRequest);
  EXPECT_EQ(reply_, "reply");
  EXPECT_TRUE(faults_.empty());
}

TEST_F(ProxiedConnectionTest, DoesWhatItSays) {
  std::set<Fault> seen;
  for (std::uint64_t seed = 1; seen.size() < 7 && seed < 500; ++seed) {
    faults_.clear();
    Connect(seed, true);
    ASSERT_EQ(faults_.size(), 1u);
    const Fault fault = faults_[0];
    seen.insert(fault);
    SCOPED_TRACE(NameOf(fault));
    const bool half_closed = fault == Fault::kHalfClose;  // either way
    if (fault == Fault::kStall || fault == Fault::kDelay) {
      EXPECT_EQ(reply_, "reply");
    } else if (!half_closed) {
      EXPECT_EQ(reply_, "");
    }
    if (fault == Fault::kLostRequest || fault == Fault::kTornRequest) {
      EXPECT_LT(request_.size(), kRequest.size());
    } else {
      EXPECT_EQ(request_, kRequest);
    }
  }
  EXPECT_EQ(seen.size(), 7u);
}

}  // namespace
}  // namespace latchkey::faults
