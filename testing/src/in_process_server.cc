#include "latchkey/testing/in_process_server.h"

#include <utility>

#include "testing/src/test_server.h"

namespace latchkey::testing {

InProcessServer::InProcessServer() : server_(testing_internal::TestServer::Start()) {}

InProcessServer::~InProcessServer() = default;

const std::string& InProcessServer::address() const { return server_->address(); }

Client InProcessServer::Connect(ClientOptions options) const {
  return Client::Connect(server_->address(), std::move(options));
}

void InProcessServer::AdvanceTime(std::chrono::nanoseconds by) { server_->AdvanceTime(by); }

void InProcessServer::DropReplies(int count) { server_->DropReplies(count); }

void InProcessServer::StopAnswering() { server_->StopAnswering(); }

void InProcessServer::ResumeAnswering() { server_->ResumeAnswering(); }

}  // namespace latchkey::testing
