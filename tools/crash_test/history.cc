#include "tools/crash_test/history.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

#include <google/protobuf/util/json_util.h>

namespace latchkey::crash {
namespace {

std::string ToJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string json;
  if (!google::protobuf::util::MessageToJsonString(message, &json, options).ok()) std::abort();
  return json;
}

// A JSON string.
std::string Quoted(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return quoted + "\"";
}

std::string LineBegin(std::int64_t at, const std::string& id) {
  return "{\"t\":" + std::to_string(at) + ",\"id\":" + Quoted(id);
}

}  // namespace

std::int64_t MonotonicNanos() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * std::int64_t{1'000'000'000} + now.tv_nsec;
}

History::History(const std::string& path, std::string client)
    : client_(std::move(client)),
      file_(::open(path.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0644)) {
  if (file_ >= 0) return;
  std::fprintf(stderr, "crash_client: cannot write the history %s\n", path.c_str());
  std::exit(2);
}

History::~History() { ::close(file_); }

std::string History::Begin(const char* call, const google::protobuf::Message& request) {
  const std::string id = client_ + "." + std::to_string(++calls_);
  Write(LineBegin(MonotonicNanos(), id) + R"(,"call":")" + call + R"(","request":)" +
        ToJson(request) + "}\n");
  return id;
}

void History::EndWithReply(const std::string& id, std::int64_t at,
                           const google::protobuf::Message& reply) {
  Write(LineBegin(at, id) + ",\"reply\":" + ToJson(reply) + "}\n");
}

void History::EndWithStatus(const std::string& id, std::int64_t at, int code,
                            const std::string& reason, const std::string& message) {
  Write(LineBegin(at, id) + ",\"status\":" + std::to_string(code) +
        ",\"reason\":" + Quoted(reason) + ",\"message\":" + Quoted(message) + "}\n");
}

void History::NoteBelief(std::int64_t before, const std::string& key_namespace,
                         const std::string& key, std::uint64_t fencing_token) {
  Write("{\"t\":" + std::to_string(before) + R"(,"event":"believes","namespace":)" +
        Quoted(key_namespace) + ",\"key\":" + Quoted(key) +
        ",\"token\":" + std::to_string(fencing_token) + "}\n");
}

void History::Write(const std::string& line) {
  if (::write(file_, line.data(), line.size()) == static_cast<ssize_t>(line.size())) return;
  std::fprintf(stderr, "crash_client: cannot write the history\n");
  std::_Exit(2);
}

}  // namespace latchkey::crash
