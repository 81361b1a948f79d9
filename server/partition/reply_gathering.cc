#include "server/partition/reply_gathering.h"

#include <utility>

namespace latchkey {
namespace {

thread_local ReplyGathering* current = nullptr;

}  // namespace

ReplyGathering::ReplyGathering() : outermost_(current == nullptr) {
  if (outermost_) current = this;
}

ReplyGathering::~ReplyGathering() {
  if (!outermost_) return;
  Flush();
  current = nullptr;
}

void ReplyGathering::Flush() {
  if (!outermost_) return current->Flush();
  // What is flushed may bring more.
  while (!gathered_.empty()) {
    for (const auto& gathered : std::exchange(gathered_, {})) gathered->Flush();
  }
}

void ReplyGathering::FlushLater(std::shared_ptr<Gathered> gathered) {
  if (current == nullptr) return gathered->Flush();
  current->gathered_.push_back(std::move(gathered));
}

}  // namespace latchkey
