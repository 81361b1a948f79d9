#include "latchkeyd_process.h"

#include <stdexcept>
#include <utility>

namespace latchkey {

LatchkeydProcess::LatchkeydProcess(std::string store) : store_(std::move(store)) { Start(); }

void LatchkeydProcess::Start() {
  const std::string address = server_.has_value() ? server_->address() : "127.0.0.1:0";
  auto started =
      ServerProcess::Start({.command = {LATCHKEYD, "--store=" + store_,
                                        "--listen-address=" + address, "--log-level=warn"},
                            .log = directory_ / "log"});
  if (!started.ok()) throw std::runtime_error(std::string(started.status().message()));
  server_ = *std::move(started);
}

}  // namespace latchkey
